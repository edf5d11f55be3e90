// Package heat keeps what was learned about the use of a model's experts in
// files, from one mount to the next.
//
// A heat file is JSON: a format name, a version, the ID of the model, and for
// each layer the number of visits and the share of them that used each expert.
// What a policy has learned beside it is in a file of its own, see SaveLearned.
package heat
