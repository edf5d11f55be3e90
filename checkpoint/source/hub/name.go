package hub

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"
)

// pathPart matches a part of a name between slashes.
const pathPart = `[A-Za-z0-9_][\w.+-]*`

// named matches what comes after "hf:": a repository, a revision that is surely one (the
// branch, a commit, a pull request) or none, and a folder of it or none.
var named = regexp.MustCompile(`^//(` + pathPart + `/` + pathPart + `?)(?:@(main|[0-9a-f]{40}|refs/pr/\d+|refs/convert/\w+))?((?:/` + pathPart + `)*)/?$`)

// revised matches a repository and any other revision: its slashes are its own. In one
// that is written with %2F for them, as other tools want it, slashes begin a folder.
var revised = regexp.MustCompile(`^//(` + pathPart + `/` + pathPart + `?)@([\w.%+/-]+?)/?$`)

// parse takes a name apart, and tells whether it is one.
func (s *store) parse(rest string) bool {
	if m := named.FindStringSubmatch(rest); m != nil {
		s.repo, s.revision, s.dir = m[1], cmp.Or(m[2], "main"), asFolder(m[3])
		return true
	}
	m := revised.FindStringSubmatch(rest)
	if m == nil {
		return false
	}
	revision, dir := m[2], ""
	if strings.Contains(revision, "%") {
		revision, dir, _ = strings.Cut(revision, "/")
	}
	revision, err := url.PathUnescape(revision)
	s.repo, s.revision, s.dir = m[1], revision, asFolder(dir)
	return err == nil && !strings.Contains("/"+revision+"/"+dir+"/", "/../")
}

// full is the name with its revision, which no other revision or folder has.
func (s *store) full() string {
	name := strings.TrimSuffix(s.repo+"@"+s.revision+"/"+s.dir, "/")
	if again := new(store); again.parse("//"+name) && again.dir == s.dir {
		return name
	}
	return strings.TrimSuffix(s.repo+"@"+url.PathEscape(s.revision)+"/"+s.dir, "/")
}

// asFolder writes a path in a repository as names of files in it begin.
func asFolder(path string) string {
	if path = strings.Trim(path, "/"); path != "" {
		path += "/"
	}
	return path
}
