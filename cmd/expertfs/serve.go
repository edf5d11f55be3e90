package main

import (
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/fsys"
	"expertfs/fsys/budget"
	"expertfs/fsys/mountpoint"
	"expertfs/tiers"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// serve mounts, calls announce when the mount serves, and returns when it is
// unmounted, from outside or by a signal.
func serve(c *mountConfig, announce func(ready) error) (err error) {
	log, err := openLog(c)
	if err != nil {
		return err
	}
	release, err := c.checkSystem(log)
	if err != nil {
		return err
	}
	defer release()
	quickThreads()
	ck, place, err := c.openCheckpoint(log)
	if err != nil {
		return checkpointError(c.checkpoint, err)
	}
	defer func() { err = errors.Join(err, ck.Close(), place.close()) }()
	return c.serveCheckpoint(ck, place, log, func(r ready) error {
		release() // it can be seen in the mount table now
		return announce(r)
	})
}

// server is a mount that is made and then served.
type server struct {
	config     *mountConfig
	checkpoint *checkpoint.Checkpoint
	place      *place // nil for a checkpoint on this machine
	log        *slog.Logger
	memory     memoryPlan
	steps      *traceFile
	learned    *heatFile
	cache      *fsys.Cache
	governor   *budget.Governor
}

// serveCheckpoint is the part of serve that has a checkpoint.
func (c *mountConfig) serveCheckpoint(ck *checkpoint.Checkpoint, place *place, log *slog.Logger, announce func(ready) error) (err error) {
	s := &server{config: c, checkpoint: ck, place: place, log: log}
	mounted := false
	defer func() {
		if err != nil && mounted && !c.foreground {
			log.Error("ended with an error", "err", err) // stderr is nobody's by then
		}
	}()
	// A signal that comes while the mount is made is dealt with when it serves.
	signals := c.notifySignals()
	defer signal.Stop(signals)

	if s.memory, err = c.planMemory(ck); err != nil {
		return err
	}
	shape := shapeOf(ck)
	s.learned = &heatFile{path: c.heat, model: ck.ID(), shape: shape, log: log}
	before, weights, err := s.learned.load()
	if err != nil {
		return err
	}
	if s.steps, err = createTrace(c.trace, shape, log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.steps.close(mounted)) }()
	s.cache, err = c.openCache(ck, tiers.Options{Budget: s.memory.demand.Budget, DenseBytes: s.memory.dense,
		Trace: s.steps.hook(), Heat: before, Learned: weights, Log: log})
	if err != nil {
		return err
	}
	s.learned.adopted(s.cache)
	defer func() {
		err = errors.Join(err, s.cache.Close())
		if mounted {
			err = errors.Join(err, s.learned.save(s.cache))
		}
	}()
	s.governor = budget.NewGovernor(s.cache, s.memory.bounds, log)
	if s.memory.auto {
		s.governor.Resume()
	}
	place.evictBy(ck, s.cache)
	fs, err := fsys.Mount(c.point, s.cache, ck, s.fsOptions())
	if err != nil {
		return c.mountError(err)
	}
	mounted = true
	return s.run(fs, signals, announce)
}

// run serves a mount that has been made until it is gone.
func (s *server) run(fs *fsys.FS, signals <-chan os.Signal, announce func(ready) error) (err error) {
	page, err := s.config.openPage(fs, s.log)
	if err != nil {
		takeDown(fs, s.config.point, s.log)
		fs.Wait()
		return err
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	stats := fs.Stats()
	if err := announce(ready{s.config.point, readPath(&stats), page.URL(), s.warnings(page)}); err != nil {
		// Nobody knows of the mount. Who has found it nevertheless is served.
		takeDown(fs, s.config.point, s.log)
		fs.Wait() // the cache is closed on return
		return err
	}
	notify(s.log, sd.SdNotifyReady)
	done := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() { s.learned.saveEvery(heatInterval, s.cache, done) })
	beside.Go(func() { s.governor.Run(done) })
	waitUnmounted(fs, s.config.point, signals, s.log, func() error {
		return errors.Join(s.steps.close(true), s.learned.save(s.cache))
	})
	close(done)
	beside.Wait()
	s.log.Info("unmounted", "point", s.config.point, "figures", summary(fs.Stats()))
	notify(s.log, sd.SdNotifyStopping)
	return nil
}

// warnings are what the user is told of beside that the mount serves.
func (s *server) warnings(p page) []string {
	shape := shapeOf(s.checkpoint)
	doubted := doubts(s.memory.demand, others(s.config.point, othersPatience), s.cache.Stats().SlotBytes, shape.Layers, shape.TopK)
	all := slices.Concat(doubted, s.config.vain, []string{s.memory.fewFiles, p.Warning()}, s.learned.warnings, s.place.warnings(), sameDrive(s.checkpoint))
	return slices.DeleteFunc(all, func(w string) bool { return w == "" })
}

// openCache makes the cache that was asked for, with what o has already.
func (c *mountConfig) openCache(ck *checkpoint.Checkpoint, o tiers.Options) (*fsys.Cache, error) {
	o.Policy, o.Seed, o.Shadows = c.policy, c.seed, c.shadows
	o.High, o.Low, o.MaxWait = c.high, c.low, c.maxWait
	o.NoForecast = c.noForecast
	o.NoHuge, o.Memfd = c.noHuge, c.memfd
	cache, err := fsys.NewCache(ck, o)
	if errors.Is(err, tiers.ErrBudget) {
		return nil, withCode(exitSmallBudget, err)
	}
	return cache, err
}

func (s *server) fsOptions() fsys.Options {
	o := fsys.Options{
		AllowOther: s.config.allowOther,
		ReadOnly:   s.config.readOnly,
		Mechanism:  expertfs.Mechanism(s.config.mechanism),
		Source:     s.config.checkpoint,
		Version:    version(),
		Unlogged:   s.config.unlogged,
		Governor:   s.governor,
		Records:    func() []expertfs.Record { return append(s.steps.record(), s.learned.records(s.cache)...) },
		Log:        s.log,
	}
	if s.place != nil {
		o.Remote = s.place
	}
	if s.config.noPassthrough && o.Mechanism == "" {
		o.Mechanism = expertfs.Direct
	}
	return o
}

// summary is what the log keeps of a mount's figures.
func summary(r expertfs.Stats) slog.Value {
	c := r.Cache
	return slog.GroupValue(slog.Duration("time", time.Duration(r.Seconds*float64(time.Second)).Round(time.Second)),
		slog.Int64("opens", r.Requests.Opens), slog.Int64("hits", c.Hits), slog.Int64("misses", c.Misses),
		slog.Int64("loads", c.Loads), slog.Int64("evictions", c.Evictions))
}

// notify tells systemd, where it started this program, how things stand.
func notify(log *slog.Logger, state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		log.Warn("systemd was not notified", "err", err)
	}
}

// notifySignals asks for the signals that end a mount: those that ask for an end, a
// terminal that is closed, and in the foreground a log whose reader is gone. A mount
// that died of one would lose what was learned, and leave a dead mount behind.
func (c *mountConfig) notifySignals() chan os.Signal {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	if c.foreground {
		signal.Notify(signals, syscall.SIGPIPE)
	}
	return signals
}

// insists tells whether a signal, when it comes again, means that the program is to
// end at once. A closed terminal sends SIGHUP more than once, and each line of a log
// without a reader another SIGPIPE.
func insists(s os.Signal) bool { return s != syscall.SIGHUP && s != syscall.SIGPIPE }

// waitUnmounted returns when the mount is gone. A signal takes it down; when it
// is busy it is detached, and this program serves those who use it until they
// let go. A second signal that insists saves what was recorded and ends the program
// at once, and they get errors. A third one does not even wait for that.
func waitUnmounted(fs *fsys.FS, point string, signals <-chan os.Signal, log *slog.Logger, save func() error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fs.Wait()
	}()
	select {
	case <-done:
		return
	case s := <-signals:
		log.Info("unmounting", "signal", s)
	}
	go func() {
		for s := range signals {
			if insists(s) {
				break
			}
		}
		signal.Reset(os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
		log.Warn("second signal: leaving with the mount in use")
		if err := save(); err != nil {
			log.Error("not all that was recorded is saved", "err", err)
		}
		os.Exit(exitBusy)
	}()
	takeDown(fs, point, log)
	<-done
}

// takeDown unmounts, or detaches a mount that is in use.
func takeDown(fs *fsys.FS, point string, log *slog.Logger) {
	if err := fs.Unmount(); err != nil {
		for _, h := range mountpoint.Holders(point) {
			log.Warn("the mount is in use", "by", h.Name, "pid", h.PID, "how", h.How)
		}
		log.Warn("the mount is busy: detached; serving its users until they let go, a second signal ends that", "err", err)
		if err := mountpoint.Unmount(point, true); err != nil {
			log.Error("cannot detach the mount", "err", err)
		}
	}
}
