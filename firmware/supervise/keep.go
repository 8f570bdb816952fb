package supervise

import "os"

// keep is what a service left behind for its next process (FDSTORE).
type keep struct {
	limit int
	files []*os.File // File.Name is the FDNAME
}

// take keeps the files under their name as far as the limit allows and closes
// the others. It reports how many it closed.
func (k *keep) take(files []*os.File) (refused int) {
	for _, f := range files {
		if len(k.files) >= k.limit {
			f.Close()
			refused++
			continue
		}
		k.files = append(k.files, f)
	}
	return refused
}

// remove forgets every file of that name.
func (k *keep) remove(name string) {
	kept := k.files[:0]
	for _, f := range k.files {
		if f.Name() == name {
			f.Close()
			continue
		}
		kept = append(kept, f)
	}
	clear(k.files[len(kept):])
	k.files = kept
}

func (k *keep) clear() {
	for _, f := range k.files {
		f.Close()
	}
	k.files = nil
}
