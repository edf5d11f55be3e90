package experts_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"expertfs"
	"expertfs/infer/experts"
	"expertfs/infer/mapped"
)

// A program that computes with experts says which ones a layer uses, and takes them
// as they arrive. Here it counts their bytes.
func Example() {
	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	names := expertfs.Names{Layers: 1, Experts: 4}
	writeExperts(dir, names) // or the mount point of a mount

	arena := mapped.NewArena()
	defer arena.Close()
	store, err := experts.Open(experts.Options{Dir: dir, Names: names, TopK: 2, Arena: arena},
		func(_ expertfs.Key, f *mapped.File) (int, error) { return len(f.Data), nil })
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	for range 3 { // tokens
		began := time.Now()
		if err := store.Begin(context.Background(), 1); err != nil {
			log.Fatal(err)
		}
		chosen := []int{1, 3}
		store.Announce(0, chosen)
		for _, x := range chosen {
			store.Request(expertfs.NewKey(0, x))
		}
		sum := 0
		for range chosen {
			x, err := store.Next(true)
			if err != nil {
				log.Fatal(err, store.Abandon())
			}
			sum += x.Value
			store.Release(x)
		}
		if err := store.End(time.Since(began)); err != nil {
			log.Fatal(err)
		}
		fmt.Println(sum, "bytes,", store.Stats().Opened, "opened so far")
	}
	// Output:
	// 200 bytes, 2 opened so far
	// 200 bytes, 2 opened so far
	// 200 bytes, 2 opened so far
}

func writeExperts(dir string, names expertfs.Names) {
	for x := range names.Experts {
		path := filepath.Join(dir, names.ExpertPath(expertfs.NewKey(0, x)))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 100), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
