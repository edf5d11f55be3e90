package hub

import (
	"fmt"
	"net/http"

	"expertfs/checkpoint/source/remote"
)

// refusal is the error of an answer that is no success. The hub says in X-Error-Code what
// is wrong; of a repository that somebody may not see it says what it says of one that does
// not exist.
func (s *store) refusal(r *http.Response) error {
	code := r.Header.Get("X-Error-Code")
	switch elsewhere := r.Request.URL.Host != s.endpoint.Host; {
	case elsewhere && (r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusBadRequest):
		// The signature of the address has expired, and the next one is another.
		return &remote.StatusError{Code: http.StatusServiceUnavailable, What: "the address that the hub gave is not valid any more"}
	case code == "GatedRepo" && s.token == "":
		return remote.Status(r, "who wants it has to agree to its terms: at "+s.page()+", then set HF_TOKEN, or log in with `hf auth login`")
	case code == "GatedRepo":
		return remote.Status(r, "the owner of the token has not been given access: ask for it at "+s.page()+
			"; a fine-grained token must be allowed to read gated repositories")
	case r.Header.Get("X-Error-Message") == disabled:
		return remote.Status(r, "the hub has closed this repository")
	case code == "RevisionNotFound":
		return remote.Status(r, fmt.Sprintf("the repository has no revision %q", s.revision))
	case code == "EntryNotFound":
		return remote.Status(r, "the revision has no such file")
	case r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden:
		if s.token != "" {
			return remote.Status(r, "the token in HF_TOKEN or in the token file is not valid, or may not read this repository")
		}
		return remote.Status(r, "set HF_TOKEN, or log in with `hf auth login`; of a repository that does not exist it says the same")
	case r.StatusCode == http.StatusNotFound && code == "RepoNotFound" && s.token != "":
		return remote.Status(r, "there is no such repository, or the token in HF_TOKEN or in the token file may not see it")
	case r.StatusCode == http.StatusNotFound:
		return remote.Status(r, "there is no such repository, revision or file")
	case r.StatusCode == http.StatusTooManyRequests && s.token == "":
		return remote.Status(r, "it is asked too often: wait, or set HF_TOKEN, for which it allows more")
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return fmt.Errorf("%w: it is shorter", remote.ErrChanged)
	}
	return remote.Status(r, "")
}

// disabled is what the hub says of a repository that it, or its owner, has closed.
const disabled = "Access to this resource is disabled."

// page is where people see the repository.
func (s *store) page() string { return s.endpoint.String() + "/" + s.repo }
