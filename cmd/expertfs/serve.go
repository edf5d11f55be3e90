package main

import (
	"errors"
	"fmt"
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

// serveCheckpoint is the part of serve that has a checkpoint.
func (c *mountConfig) serveCheckpoint(ck *checkpoint.Checkpoint, place *place, log *slog.Logger, announce func(ready) error) (err error) {
	mounted := false
	defer func() {
		if err != nil && mounted && !c.foreground {
			log.Error("ended with an error", "err", err) // stderr is nobody's by then
		}
	}()
	// A signal that comes while the mount is made is dealt with when it serves.
	signals := c.notifySignals()
	defer signal.Stop(signals)

	shape := shapeOf(ck)
	demand, dense, err := c.demand(ck)
	if err != nil {
		return err
	}
	if err := demand.Refuse(); err != nil {
		return withCode(exitLargeBudget, fmt.Errorf("--ram %s: %w", c.ram, err))
	}
	learned := &heatFile{path: c.heat, model: ck.ID(), shape: shape, log: log}
	before, weights, err := learned.load()
	if err != nil {
		return err
	}
	bounds, auto, err := c.bounds(ck)
	if err != nil {
		return err
	}
	few := fitFiles(ck, &demand, &bounds, auto)
	steps, err := createTrace(c.trace, shape, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, steps.close(mounted)) }()
	cache, err := c.openCache(ck, tiers.Options{Budget: demand.Budget, DenseBytes: dense, Trace: steps.hook(), Heat: before, Learned: weights, Log: log})
	if err != nil {
		return err
	}
	learned.adopted(cache)
	defer func() {
		err = errors.Join(err, cache.Close())
		if mounted {
			err = errors.Join(err, learned.save(cache))
		}
	}()
	governor := budget.NewGovernor(cache, bounds, log)
	if auto {
		governor.Resume()
	}
	place.evictBy(ck, cache)
	o := c.fsOptions(place, log, governor)
	o.Records = func() []expertfs.Record { return append(steps.record(), learned.records(cache)...) }
	fs, err := fsys.Mount(c.point, cache, ck, o)
	if err != nil {
		return c.mountError(err)
	}
	mounted = true
	warnings := doubts(demand, others(c.point, othersPatience), cache.Stats().SlotBytes, shape.Layers, shape.TopK)
	page, err := c.openPage(fs, log)
	if err != nil {
		takeDown(fs, c.point, log)
		fs.Wait()
		return err
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	for _, w := range slices.Concat(c.vain, []string{few, page.Warning()}, learned.warnings, place.warnings(), sameDrive(ck)) {
		if w != "" {
			warnings = append(warnings, w)
		}
	}
	stats := fs.Stats()
	if err := announce(ready{c.point, readPath(&stats), page.URL(), warnings}); err != nil {
		// Nobody knows of the mount. Who has found it nevertheless is served.
		takeDown(fs, c.point, log)
		fs.Wait() // the cache is closed on return
		return err
	}
	notify(log, sd.SdNotifyReady)
	done := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() { learned.saveEvery(heatInterval, cache, done) })
	beside.Go(func() { governor.Run(done) })
	waitUnmounted(fs, c.point, signals, log, func() error {
		return errors.Join(steps.close(true), learned.save(cache))
	})
	close(done)
	beside.Wait()
	log.Info("unmounted", "point", c.point, "figures", summary(fs.Stats()))
	notify(log, sd.SdNotifyStopping)
	return nil
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

func (c *mountConfig) fsOptions(p *place, log *slog.Logger, governor *budget.Governor) fsys.Options {
	o := fsys.Options{
		AllowOther: c.allowOther,
		ReadOnly:   c.readOnly,
		Mechanism:  expertfs.Mechanism(c.mechanism),
		Source:     c.checkpoint,
		Version:    version(),
		Unlogged:   c.unlogged,
		Governor:   governor,
		Log:        log,
	}
	if p != nil {
		o.Remote = p
	}
	if c.noPassthrough && o.Mechanism == "" {
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
