package server

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// apiError is an error in the form that clients of the API expect.
type apiError struct {
	status  int
	details map[string]string // for Anthropic's clients; nil: none
	Message string            `json:"message"`
	Type    string            `json:"type"`
	Param   *string           `json:"param"`
	Code    *string           `json:"code"`
}

func (e *apiError) Error() string { return e.Message }

// badRequest says what is wrong with a field of the request; an empty param
// stands for the request as a whole.
func badRequest(param, format string, args ...any) *apiError {
	e := &apiError{status: http.StatusBadRequest, Type: "invalid_request_error", Message: fmt.Sprintf(format, args...)}
	if param != "" {
		e.Param = &param
	}
	return e
}

// unsupported refuses a field that asks for what the server cannot do.
func unsupported(param string) *apiError {
	return badRequest(param, "%s is not supported by this server", param).withCode("unsupported_parameter")
}

func (e *apiError) withCode(code string) *apiError {
	e.Code = &code
	return e
}

func (e *apiError) withStatus(status int) *apiError {
	e.status = status
	return e
}

func serverError(status int, message string) *apiError {
	return &apiError{status: status, Type: "server_error", Message: message}
}

// errCancelled answers a request that was given up: the server ends, or else
// the client has gone and does not see it.
var errCancelled = serverError(http.StatusServiceUnavailable, "the request was cancelled")

type errorBody struct {
	Error *apiError `json:"error"`
}

// asAPIError returns err in the form of the API. What is not an apiError is a
// failure of the server.
func asAPIError(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	return serverError(http.StatusInternalServerError, err.Error())
}

// errorForm is how an endpoint's clients expect errors.
type errorForm func(*apiError) any

// openAIError is the form of OpenAI's API.
func openAIError(e *apiError) any { return errorBody{e} }

func writeError(w http.ResponseWriter, form errorForm, err error) {
	e := asAPIError(err)
	if e.status == http.StatusServiceUnavailable || e.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, e.status, form(e))
}

// encoding is how answers are written: equal ones alike, byte for byte.
var encoding = json.JoinOptions(jsontext.AllowInvalidUTF8(true), json.FormatNilMapAsNull(true), json.Deterministic(true))

// writeJSON answers with v. That the client may have gone is of no concern.
func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v, encoding)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":{"message":"the answer cannot be written","type":"server_error","param":null,"code":null}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// mustJSON is the JSON of a value of ours.
func mustJSON(v any) jsontext.Value {
	text, err := json.Marshal(v, encoding)
	if err != nil {
		return jsontext.Value("null")
	}
	return text
}
