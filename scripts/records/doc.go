// Records measures what docs/benchmarks.md tells, writes it as data below
// docs/benchmarks, and draws tables and pictures from the data:
//
//	make records                                   all parts, on a quarter of gpt-oss-20b
//	make records PARTS="decode:24 prefill room"    some; the number is that of layers
//	go run ./scripts/records list                  the parts, and how long each takes
//	go run ./scripts/records draw                  tables and pictures, from the data alone
//
// A part measures its arms in turn, again and again, and writes its file when it is
// through; a part whose file is of this commit already is left out. It waits for a
// quiet machine, and refuses a busy one unless told otherwise, which the data then say.
//
//	main.go      what is asked for
//	lab.go       folders, programs, mounts, the memory group: what a part works with
//	programs.go  what gptoss and llama.cpp print
//	quiet.go     whether the machine is
//	parts.go     the table of parts
//	part*.go     what each does
//	gguf         the model that both engines read
//	report       the data, and how they are drawn
package main
