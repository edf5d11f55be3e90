package expertfs

import (
	"math/bits"
	"time"
)

// Stats is the content of StatsJSONFile: figures since the mount. Durations are
// in nanoseconds where the name in JSON ends in _ns.
type Stats struct {
	Version    string `json:"version"`
	PID        int    `json:"pid"` // of the server
	Mountpoint string `json:"mountpoint"`
	Checkpoint string `json:"checkpoint"` // as it was named to mount
	Model      string `json:"model"`
	Layout     string `json:"layout"` // of the checkpoint
	Layers     int    `json:"layers"`
	Experts    int    `json:"experts"`     // of each layer
	ExpertSize int64  `json:"expert_size"` // length of an expert file in bytes

	Mechanism  Mechanism `json:"mechanism"`
	Why        string    `json:"why"`         // not a better mechanism; "" for the best
	NoSocket   string    `json:"no_socket"`   // why there is no SocketFile; "" if there is one
	AutoBudget bool      `json:"auto_budget"` // the budget follows the memory that others leave
	Unlogged   string    `json:"unlogged"`    // why there is no log; "" if there is one

	Seconds float64 `json:"seconds"`

	LastRefused *Refusal `json:"last_refused,omitempty"` // write to a control file
	Records     []Record `json:"records,omitempty"`

	Requests Requests      `json:"requests"`
	Cache    CacheStats    `json:"cache"`
	Source   *SourceStats  `json:"source,omitempty"` // of a checkpoint on a network
	Copies   []CopyStats   `json:"copies,omitempty"` // of a checkpoint with mirrors, its own first
	Readers  []ReaderStats `json:"readers,omitempty"`
}

// Names spells the tree of the mount.
func (s *Stats) Names() Names { return Names{Layers: s.Layers, Experts: s.Experts} }

// Mechanism is how reads of experts and dense files are answered.
type Mechanism string

// The mechanisms, the fastest first.
const (
	Passthrough Mechanism = "passthrough" // by the kernel, from the slot in RAM
	Direct      Mechanism = "direct"      // by the server, past the page cache
	Cached      Mechanism = "cached"      // by the server, through the page cache
)

// Refusal is what a control file refused to carry out. The writer learns no more
// of it than EINVAL, and the log may be out of his sight.
type Refusal struct {
	File   string    `json:"file"` // name of the control file
	Reason string    `json:"reason"`
	Time   time.Time `json:"time"`
}

// Record is a file that a mount was asked to write beside its work.
type Record struct {
	Option string `json:"option"` // of mount: "trace" or "heat"
	File   string `json:"file"`
	Lost   string `json:"lost,omitempty"` // why it was not written the last time; "" while all is well
}

// Requests count what the server was asked about data files. Reads that
// passthrough serves are not among them, nor those of descriptors.
type Requests struct {
	Opens       int64 `json:"opens"`       // of files
	Descriptors int64 `json:"descriptors"` // of experts, handed out by SocketFile
	Reads       int64 `json:"reads"`
	ReadBytes   int64 `json:"read_bytes"`
	Panics      int64 `json:"panics"`
	OpenHandles int   `json:"open_handles"` // files and directories, control files included
	Unbacked    int64 `json:"unbacked"`     // slots that passthrough was refused for
}

// Uses count the uses of experts. A use is an open of an expert's file, or a
// touch; opens of dense files are none.
type Uses struct {
	Hits   int64 `json:"hits"`   // the bytes were in RAM at that moment, and not read for this use
	Misses int64 `json:"misses"` // they were: the use, or its announcement, began the load, or took over a prefetch under way
	Joins  int64 `json:"joins"`  // they were on their way for another use, so that nothing was read for this one
}

// Total is the number of uses.
func (u Uses) Total() int64 { return u.Hits + u.Misses + u.Joins }

// HitRate is the share of uses, 0 to 1, for which nothing had to be read from the
// drive: that found the bytes in RAM or on their way. 0 before the first use.
//
// This is the hit rate of all of the project: of a mount, of its readers, of
// shadow policies, of replays and of benchmarks. A shadow policy and a replay
// have no time to pass between a miss and the bytes, so what joins a load in a
// mount is a hit of theirs. Joins are told apart because they wait.
func (u Uses) HitRate() float64 {
	if u.Total() == 0 {
		return 0
	}
	return float64(u.Hits+u.Joins) / float64(u.Total())
}

// Sub returns the uses since an earlier count.
func (u Uses) Sub(earlier Uses) Uses {
	return Uses{u.Hits - earlier.Hits, u.Misses - earlier.Misses, u.Joins - earlier.Joins}
}

// CacheStats are figures of the RAM and NVMe tiers. Bytes in RAM are those that
// slots take, whole pages.
type CacheStats struct {
	Policy    string `json:"policy"`
	Mechanism string `json:"mechanism"` // of the RAM tier
	Why       string `json:"why"`       // not a better one, "" for the best
	Drive     string `json:"drive"`     // how it is read

	Budget        int64 `json:"budget"`
	SlotBytes     int64 `json:"slot_bytes"`   // of one expert
	Used          int64 `json:"used_bytes"`   // of all slots; at most the budget
	PeakBytes     int64 `json:"peak_bytes"`   // the most that was
	KernelBytes   int64 `json:"kernel_bytes"` // of all slots, by the kernel's account
	Resident      int   `json:"resident"`     // experts in RAM
	ResidentBytes int64 `json:"resident_bytes"`
	LoadingBytes  int64 `json:"loading_bytes"`
	FreeBytes     int64 `json:"free_bytes"`   // slots ready for the next loads
	HeldBytes     int64 `json:"held_bytes"`   // residents that are open
	MappedBytes   int64 `json:"mapped_bytes"` // residents that are closed and still mapped
	DenseFiles    int   `json:"dense_files"`
	DenseBytes    int64 `json:"dense_bytes"`   // outside the budget
	RoundedFiles  int   `json:"rounded_files"` // of the dense files, those of RoundedDir
	RoundedBytes  int64 `json:"rounded_bytes"`

	Uses
	Loads     int64 `json:"loads"` // finished, dense files included
	Evictions int64 `json:"evictions"`
	Busy      int64 `json:"busy"`    // opens refused for want of a slot
	Crowded   int64 `json:"crowded"` // opens served from the drive, because other readers held every slot
	Waiting   int   `json:"waiting"`

	// SlotWait is how long loads that readers wait for have stood without a slot,
	// all together.
	SlotWait time.Duration `json:"slot_wait_ns"`
	// OpenWait is how long opens of experts have waited for their bytes, all
	// together: the time that readers stood still.
	OpenWait  time.Duration `json:"open_wait_ns"`
	BytesRead int64         `json:"bytes_read"` // from the drive

	Errors   map[string]int64 `json:"errors"` // failed reads by errno
	Latency  Histogram        `json:"load_latency"`
	Prefetch PrefetchStats    `json:"prefetch"`
	Shadows  []ShadowStats    `json:"shadows,omitempty"` // what other policies would have hit
}

// PrefetchStats count prefetches. Those in RAM or on the way already do not count.
type PrefetchStats struct {
	Asked   int64 `json:"asked"`
	Dropped int64 `json:"dropped"` // no room for it
	Useful  int64 `json:"useful"`  // used after it was there
	Late    int64 `json:"late"`    // used or announced before it was there, or its layer passed by
	Wasted  int64 `json:"wasted"`  // evicted without having been used
}

// ShadowStats are what a policy would have hit that is not the mount's.
type ShadowStats struct {
	Policy   string  `json:"policy"`
	Hits     int64   `json:"hits"`
	Accesses int64   `json:"accesses"`
	HitRate  float64 `json:"hit_rate"` // as Uses has it
}

// SourceStats are figures of a place on a network, and of its cache on a drive.
type SourceStats struct {
	Place    string `json:"place"`    // as it was named
	Requests int64  `json:"requests"` // failed ones and redirections included
	Bytes    int64  `json:"bytes"`    // fetched, of files
	Retries  int64  `json:"retries"`
	Errors   int64  `json:"errors"` // requests that were given up

	CacheDir    string `json:"cache_dir"`    // of this place; "" for none
	CachedBytes int64  `json:"cached_bytes"` // of files
	CacheLimit  int64  `json:"cache_limit"`  // 0 for none
	Skipped     int64  `json:"skipped"`      // bytes fetched and not kept, as the drive was too far behind
	Complete    bool   `json:"complete"`     // all of the checkpoint is in the cache
	NotKept     string `json:"not_kept"`     // why what is fetched is not kept; "" while it is
}

// CopyStats are figures of one of several copies of a checkpoint.
type CopyStats struct {
	Dir   string `json:"dir"`
	Files int    `json:"files"` // of the checkpoint, that it has

	Reads  int64   `json:"reads"` // that have succeeded
	Bytes  int64   `json:"bytes"` // of them
	Errors int64   `json:"errors"`
	Speed  float64 `json:"bytes_per_second"` // lately, while anything was read; 0 before

	Serves    bool   `json:"serves"`     // it is read; one that has failed is left for a while
	LeftFiles int    `json:"left_files"` // that are not read although it serves
	LastError string `json:"last_error"`
}

// Warming is the content of WarmFile: how far the filling of the cache has come.
// Writing paths of the tree, separated by blanks, begins one; "." is all of the
// checkpoint, and layers may be given as layers/00-05. Writing WarmStop ends it.
type Warming struct {
	State string `json:"state"`
	Done  int64  `json:"done"` // bytes that are in the cache
	Total int64  `json:"total"`
	Error string `json:"error,omitempty"` // of one that has failed
}

// WarmStop is what ends a filling, and the states of one follow.
const (
	WarmStop = "stop"

	WarmIdle    = "idle" // none was begun
	WarmRunning = "running"
	WarmDone    = "done"
	WarmStopped = "stopped"
	WarmFailed  = "failed"
)

// ReaderStats are figures of one reader: a process that opens experts or holds
// HintsFile. Readers that the server cannot tell apart, as those in a pid
// namespace that it cannot see, are one reader with PID 0.
type ReaderStats struct {
	PID    int    `json:"pid"`
	Name   string `json:"name"`   // of the program
	Stream int    `json:"stream"` // its number in traces

	Opens int64 `json:"opens"` // of experts
	Uses
	Steps  int64 `json:"steps"`
	Tokens int64 `json:"tokens"` // begun, as far as steps tell

	MappedBytes int64 `json:"mapped_bytes"` // of experts that it keeps open or mapped
	ShareBytes  int64 `json:"share_bytes"`  // what of the budget it may keep so
}

// Histogram counts durations: Counts[i] those below 2^i microseconds and not
// below 2^(i-1), the last one also all above.
type Histogram struct {
	Counts [26]int64     `json:"counts"`
	Sum    time.Duration `json:"sum_ns"`
}

// Add counts a duration.
func (h *Histogram) Add(d time.Duration) {
	i := bits.Len64(uint64(max(d, 0).Microseconds()))
	h.Counts[min(i, len(h.Counts)-1)]++
	h.Sum += d
}
