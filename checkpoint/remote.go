package checkpoint

import (
	"path"
	"strings"

	"expertfs/checkpoint/format"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/hub"
	"expertfs/checkpoint/source/remote"
	"expertfs/checkpoint/source/s3"
	"expertfs/checkpoint/source/web"
)

// openS3 opens a prefix of a bucket.
func openS3(rest string, o Options) ([]*format.Place, error) {
	return openRemote(rest, o, func(rest, _ string) (*remote.Folder, error) { return s3.New(rest, o.PlainHTTP, nil) })
}

// openHub opens a repository of the hub.
func openHub(rest string, o Options) ([]*format.Place, error) {
	return openRemote(rest, o, func(rest, _ string) (*remote.Folder, error) { return hub.New(rest, o.PlainHTTP, nil) })
}

// openWeb returns what opens an address of a scheme.
func openWeb(scheme string) func(rest string, o Options) ([]*format.Place, error) {
	return func(rest string, o Options) ([]*format.Place, error) {
		return openRemote(rest, o, func(rest, file string) (*remote.Folder, error) {
			return web.New(scheme+":"+rest, file, o.PlainHTTP, nil)
		})
	}
}

// openRemote finds the places that a name of something on a network may mean: one
// file with weights, or a folder and its original/.
func openRemote(rest string, o Options, open func(rest, file string) (*remote.Folder, error)) ([]*format.Place, error) {
	rest, file := cutFile(rest)
	place, err := open(rest, file)
	if err != nil {
		return nil, err
	}
	var folder source.Folder = place
	if o.Cache != nil {
		if folder, err = o.Cache(place); err != nil {
			return nil, err
		}
	}
	// Asked first, as what is wrong with the place is not to be taken for what is
	// wrong with a checkpoint.
	if _, err := folder.List(); err != nil {
		return nil, err
	}
	name := path.Base(place.Store().Name())
	if file != "" {
		return []*format.Place{{Folder: folder, File: file, Name: modelName(file)}}, nil
	}
	return []*format.Place{
		{Folder: folder, Name: name},
		{Folder: remote.Sub(folder, originalDir), Name: name, Beside: folder, BesideFiles: tokenizerFiles},
	}, nil
}

// cutFile takes the name of a file with weights off the end of a name.
func cutFile(rest string) (folder, file string) {
	if !strings.HasSuffix(rest, ".gguf") {
		return rest, ""
	}
	folder, file = path.Split(rest)
	return folder, file
}
