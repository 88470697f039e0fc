#!/bin/sh
# assemble.sh IMAGE: lays out the root of the image: Python with the libraries that it needs, certificates, /opt/emailproxy.
set -eu
image=$1

# libgcc and libstdc++ are for the wheels with compiled code (cryptography, gRPC).
packages='
  ca-certificates libbz2-1.0 libc6 libexpat1 libffi8 libgcc-s1 liblzma5 libpython3.11-minimal libpython3.11-stdlib libssl3
  libstdc++6 libuuid1 python3-minimal python3.11-minimal zlib1g
'

mkdir -p "$image/usr/bin" "$image/usr/sbin" "$image/usr/lib" "$image/usr/lib64" "$image/var/lib/dpkg/status.d"
for name in bin sbin lib lib64; do ln -s "usr/$name" "$image/$name"; done

# Files and links only, so that the links above stay what they are. The trusted certificates were made when theirs was installed.
{
  for package in $packages; do
    if ! dpkg --status "$package" > /dev/null 2>&1; then continue; fi
    dpkg --listfiles "$package" | while IFS= read -r file; do
      if [ -L "$file" ] || [ -f "$file" ]; then printf '%s\n' "$file"; fi
    done
    # What scanners for vulnerabilities read.
    dpkg --status "$package" > "$image/var/lib/dpkg/status.d/$package"
  done
  find /etc/ssl/certs /opt/emailproxy ! -type d
  printf '%s\n' /usr/lib/os-release /etc/os-release
} | grep -v -E '^/usr/share/(doc|man|locale|lintian|bug|pixmaps|applications|menu|python3)/|^/usr/(sbin|bin)/(update-ca-certificates|c_rehash|py3)' \
  | sort -u | tar --create --no-recursion --files-from=- --file=- 2> /dev/null | tar --extract --directory="$image" --file=-

# Every package must be there: a name that Debian changed would be missed when something is first imported.
for package in $packages; do
  if [ ! -s "$image/var/lib/dpkg/status.d/$package" ]; then
    echo "assemble.sh: the package $package is not installed" >&2
    exit 1
  fi
done

printf '%s\n' 'root:x:0:0:root:/:/sbin/nologin' 'nonroot:x:65532:65532:emailproxy:/:/sbin/nologin' > "$image/etc/passwd"
printf '%s\n' 'root:x:0:' 'nonroot:x:65532:' > "$image/etc/group"
printf '%s\n' 'passwd: files' 'group: files' 'hosts: files dns' 'services: files' > "$image/etc/nsswitch.conf"

mkdir -p "$image/etc/emailproxy" "$image/dev" "$image/proc" "$image/sys" "$image/run" "$image/tmp"
chmod 1777 "$image/tmp"
install -d -o 65532 -g 65532 -m 0700 "$image/run/emailproxy" "$image/var/lib/emailproxy"

# Compiled once here, since the image is read-only when it runs.
find "$image" -name __pycache__ -prune -exec rm -rf {} +
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$image" -p / "$image/usr/lib/python3.11" "$image/opt/emailproxy/lib" > /dev/null
