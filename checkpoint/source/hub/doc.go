// Package hub reads repositories of the Hugging Face hub, or of one that behaves as
// it does: "hf://owner/name", "hf://owner/name@revision", or a folder of either.
//
// A revision is resolved to a commit once, and files are asked for by that commit, so
// that they do not change. The hub answers for large files with a redirection to
// another host, by an address that is signed and expires; it is asked for anew for
// each range. The token goes to the hub alone, never to where it redirects.
//
// HF_ENDPOINT names another hub. The token is HF_TOKEN, or what is in the file
// HF_TOKEN_PATH, $HF_HOME/token or ~/.cache/huggingface/token.
package hub
