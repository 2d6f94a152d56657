# Reads Swift files and prints what breaks a rule of the house, as "file:line: reason".
#
#   awk -v arrows=tools/arrows.txt -v libraries="CSodium …" -f tools/lint.awk FILE…
#
# Each line is split in two first: its code, with comments gone and string literals empty, and the text of its string
# literals. Rules about code then never trip over a sentence, nor rules about SQL over a comment.

BEGIN {
  split(libraries, names, " "); for (i in names) is_library[names[i]] = 1
  while ((getline row < arrows) > 0) read_row(row)
  capital_sql = "(^|[^A-Za-z])(SELECT |INSERT INTO |UPDATE [a-z_.]+ SET|DELETE FROM |TRUNCATE |SET LOCAL |GRANT [A-Z]" \
    "|(CREATE|ALTER|DROP) (OR REPLACE |UNIQUE )?(TABLE|INDEX|ROLE|SCHEMA|FUNCTION|TRIGGER|POLICY|VIEW|DATABASE) )"
  small_sql = "(^|\001) *(select .* from |insert into |update [a-z_.]+ set |delete from [a-z_.]+ (where|using) )"
}

# Rows add up, so that a long one may be written as two.
function read_row(row,    parts, names, i) {
  if (row ~ /^[ \t]*(#|$)/) return
  split(row, parts, ":")
  has_row[parts[1]] = 1
  split(parts[2], names, " ")
  for (i in names) {
    if (names[i] == "*") imports_all[parts[1]] = 1
    else if (names[i] ~ /\*$/) prefixes[parts[1]] = prefixes[parts[1]] " " substr(names[i], 1, length(names[i]) - 1)
    else allowed[parts[1], names[i]] = 1
  }
}

FNR == 1 {
  depth = 0; mode[0] = "code"; comment = 0; explained = -9; generated = 0
  split(FILENAME, path, "/")
  root = path[1]; target = path[2]
  if (root == "Sources" && path[3] != "" && !has_row[target] && !(target in unknown)) {
    unknown[target] = 1
    report("target " target " has no row in " arrows)
  }
  file = FILENAME; sub(/.*\//, "", file)
  may_hold_sql = root != "Sources" || file ~ /Store\.swift$/ || FILENAME ~ /Migrations/ || target == "Schema" \
    || target ~ /^(Postgres|PostgresTesting|ServiceTesting|LocalCluster)$/
  is_program = target == "lethe" || target == "dsar-cli" || target == "ServiceTesting"
  if (root == "Sources" && file ~ /(Utils?|Manager|Helpers?)\.swift$/)
    report("say what the file holds, not that it helps")
}

FNR <= 10 && /^\/\/ DO NOT EDIT/ { generated = 1 }
generated { next }

{
  split_line($0)
  if ($0 ~ /\/\//) explained = FNR
  if ($0 ~ /(^|[^A-Za-z])(TODO|FIXME|XXX)([^A-Za-z]|$)/)
    report("finish it or open an issue; no marker stays in the source")
  check_import()
  if (root != "Sources") next
  if (code ~ /(^|[^A-Za-z0-9_.]|Swift\.)(print|debugPrint|dump|NSLog) ?\(/ && code !~ /func (print|dump) ?\(/)
    report("nothing prints; write to the program's output or to a logger that was passed in")
  if (code ~ /(^|[^A-Za-z0-9_])try!/) report("try! ends the program; throw or handle the error")
  if (code ~ /(^|[^A-Za-z0-9_])as!/) report("as! ends the program; use as? and handle nil")
  if (code ~ /(^|[^A-Za-z0-9_])fatalError ?\(/) report("fatalError ends the program; throw an error")
  if (code ~ /static (let|var) shared([^A-Za-z0-9_]|$)/) report("no .shared: pass the value in")
  if (code ~ /(struct|class|enum|actor|protocol) [A-Za-z0-9_]*(Utils?|Manager|Helpers?)([^A-Za-z0-9_]|$)/)
    report("a name in the field's terms, not Utils, Manager or Helper")
  if (code ~ /@unchecked Sendable/ && FNR - explained > 3)
    report("@unchecked Sendable needs its reason in a comment beside it")
  if (!is_program && code ~ /(^|[^A-Za-z0-9_])Logger\(label:/) report("a library is given its logger; it makes none")
  if (!may_hold_sql && is_sql(text)) report("SQL belongs in the feature's own …Store.swift or in its migrations")
}

function report(reason) { print FILENAME ":" FNR ": " reason }

# Statements in capitals anywhere, or in small letters from the beginning of a literal or its line.
function is_sql(text) { return text ~ capital_sql || text ~ small_sql }

function check_import(    name, row, list, count, i) {
  if (code !~ /^ *(@[A-Za-z_]+(\([A-Za-z]+\))? +)*([a-z]+ +)?import +[A-Za-z]/) return
  name = code
  sub(/^.*import +((struct|class|enum|protocol|typealias|func|let|var) +)?/, "", name)
  sub(/[^A-Za-z0-9_].*$/, "", name)
  if (name == "XCTest") report("tests are written with Swift Testing")
  row = target
  if (root == "Tests") {
    sub(/Tests$/, "", row)
    if (is_library[name] && !((row, name) in allowed)) report(name " is imported by its one Swift layer and that layer's tests")
    return
  }
  if (root != "Sources" || !has_row[target] || name == target) return
  if ((row, name) in allowed || ("everywhere", name) in allowed) return
  if (is_library[name]) { report(name " is imported by its one Swift layer, see " arrows); return }
  if (row in imports_all) return
  count = split(prefixes[row], list, " ")
  for (i = 1; i <= count; i++) if (index(name, list[i]) == 1) return
  report(target " may not import " name ", see " arrows)
}

# Splits a line into the globals `code` and `text`, keeping what is open at its end for the next line: a comment, a
# string of several lines, or the code of an interpolation. In `text`, \001 marks where a literal begins.
function split_line(line,    n, i, c, two, hashes, close_mark) {
  code = ""; text = ""
  if (!comment && depth == 0 && !index(line, "\"") && !index(line, "//") && !index(line, "/*")) {
    code = line
    return
  }
  n = length(line)
  for (i = 1; i <= n; i++) {
    c = substr(line, i, 1); two = substr(line, i, 2)
    if (comment) {
      if (two == "*/") { comment--; i++ } else if (two == "/*") { comment++; i++ }
      continue
    }
    if (mode[depth] == "code") {
      if (two == "//") break
      if (two == "/*") { comment = 1; i++; continue }
      if (c == "\"" || (c == "#" && substr(line, i) ~ /^#+"/)) {
        hashes = ""
        while (substr(line, i, 1) == "#") { hashes = hashes "#"; i++ }
        depth++; mode[depth] = "text"; hash[depth] = hashes; quote[depth] = "\""
        if (substr(line, i, 3) == "\"\"\"") { quote[depth] = "\"\"\""; i += 2 }
        code = code "\""; text = text "\001"
        continue
      }
      if (depth > 0 && c == "(") parens[depth]++
      if (depth > 0 && c == ")" && --parens[depth] == 0) { depth--; code = code " "; continue }
      code = code c
      continue
    }
    close_mark = quote[depth] hash[depth]
    if (substr(line, i, length(close_mark)) == close_mark) {
      i += length(close_mark) - 1; depth--; code = code "\""
      continue
    }
    if (substr(line, i, 2 + length(hash[depth])) == "\\" hash[depth] "(") {
      i += 1 + length(hash[depth]); depth++; mode[depth] = "code"; parens[depth] = 1
      code = code " "; text = text "x"
      continue
    }
    if (c == "\\" && hash[depth] == "") { i++; continue }
    text = text c
  }
  # A string of one line cannot stay open: what looked so was something else, a regular expression perhaps.
  if (mode[depth] == "text" && quote[depth] == "\"") depth = 0
}
