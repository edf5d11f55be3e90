#!/bin/sh
# install.sh install|uninstall: puts programs, manual pages, completions, the systemd
# unit and the sample configuration below DESTDIR, or takes away what it would put.
# PREFIX, HELPERS (where mount(8) looks for helpers) and BIN (where the built programs
# are) come from the Makefile.
set -eu
cd "$(dirname "$0")/.."
action=$1
prefix=${PREFIX:-/usr/local}
helpers=${HELPERS:-/sbin}
bin=${BIN:-bin}
dest=${DESTDIR:-}
share=$prefix/share
pages=$(mktemp -d)
trap 'rm -r "$pages"' EXIT INT TERM

# put MODE FILE PATH
put() {
	if [ "$action" = install ]; then
		install -D -m "$1" "$2" "$dest$3"
	else
		rm -f "$dest$3"
	fi
}

# point TARGET PATH
point() {
	if [ "$action" = install ]; then
		mkdir -p "$dest$(dirname "$2")"
		ln -sf "$1" "$dest$2"
	else
		rm -f "$dest$2"
	fi
}

for program in expertfs gptoss; do
	put 0755 "$bin/$program" "$prefix/bin/$program"
	"$bin/$program" man "$pages/man"
	for shell in bash zsh fish; do
		"$bin/$program" completion $shell >"$pages/$program.$shell"
	done
	put 0644 "$pages/$program.bash" "$share/bash-completion/completions/$program"
	put 0644 "$pages/$program.zsh" "$share/zsh/site-functions/_$program"
	put 0644 "$pages/$program.fish" "$share/fish/vendor_completions.d/$program.fish"
done
for page in "$pages"/man/*.1; do
	gzip -9n "$page"
	put 0644 "$page.gz" "$share/man/man1/${page##*/}.gz"
done
for helper in mount.expertfs mount.fuse.expertfs; do
	point "$prefix/bin/expertfs" "$helpers/$helper"
	point ../man1/expertfs-mount.1.gz "$share/man/man8/$helper.8.gz"
done
sed "s|@BINDIR@|$prefix/bin|" scripts/packaging/expertfs@.service >"$pages/unit"
put 0644 "$pages/unit" "$prefix/lib/systemd/system/expertfs@.service"
put 0644 scripts/packaging/example.conf "$share/doc/expertfs/example.conf"
# Papers lie to each other as in this tree, so that their links hold.
papers=$(find LICENSE ./*.md docs -type f)
for paper in $papers; do
	put 0644 "$paper" "$share/doc/expertfs/${paper#./}"
done
if [ "$action" = uninstall ]; then
	# Folders that are not everybody's, where nothing else is in them.
	cd "$dest/"
	share=${share#/}
	find "$share/doc/expertfs" -depth -type d -empty -exec rmdir {} \; 2>/dev/null || true
	for folder in doc bash-completion/completions zsh/site-functions fish/vendor_completions.d; do
		rmdir -p "$share/$folder" 2>/dev/null || true
	done
fi
