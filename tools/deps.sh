#!/bin/sh
# Installs what the image, the lab and the tests need on a Debian 12 machine.
# QEMU comes from backports: the 7.2 of Debian 12 has no raspi4b machine.
set -eu

packages='
bind9-dnsutils
chromium
conntrack
curl
dnsmasq-base
dosfstools
e2fsprogs
ethtool
exim4-daemon-light
fdisk
fonts-dejavu-core
haproxy
iproute2
iputils-arping
kmod
libnginx-mod-stream
mtools
nftables
nginx-light
nsd
prometheus
rsyslog
rsyslog-gnutls
samba
snmp
snmptrapd
systemd
tcpdump
u-boot-tools
udhcpd
vsftpd
'

backports_packages='
qemu-system-arm
'

# The mirror that this machine already uses, from either form of source file.
mirror=$(
	{
		sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources
		sed -n 's/^deb[[:space:]]\(\[[^]]*\][[:space:]]*\)\{0,1\}\([^[:space:]]*\).*/\2/p' /etc/apt/sources.list
	} 2>/dev/null | head -n 1
)
if [ -z "$mirror" ]; then
	echo "deps.sh: no Debian mirror in /etc/apt/sources.list.d/debian.sources or /etc/apt/sources.list: add one and try again" >&2
	exit 1
fi
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")

if ! apt-cache policy | grep -q "n=$codename-backports"; then
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $codename-backports main" \
		>/etc/apt/sources.list.d/spoolgate-backports.list
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # one word a package is what we want
apt-get install -q -y --no-install-recommends $packages
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends -t "$codename-backports" $backports_packages

# npm is taken as it is where somebody has installed one already.
command -v npm >/dev/null || apt-get install -q -y --no-install-recommends npm
