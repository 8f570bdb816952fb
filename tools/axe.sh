#!/bin/sh
# Fetches the rules of accessibility that the web UI is tested by: test data,
# which no image has. It needs npm and no root.
set -eu

axe=4.14.1
axe_sum=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
if ! echo "$axe_sum  build/axe/axe.min.js" | sha256sum -c --status 2>/dev/null; then
	mkdir -p build/axe
	npm pack --silent --pack-destination build/axe "axe-core@$axe"
	tar -xzf "build/axe/axe-core-$axe.tgz" -C build/axe --strip-components=1 package/axe.min.js
	rm "build/axe/axe-core-$axe.tgz"
	echo "$axe_sum  build/axe/axe.min.js" | sha256sum -c
fi
