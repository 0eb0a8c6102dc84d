#!/usr/bin/env python3
"""Wraps Debian packages into RPMs in the way of Enterprise Linux. Called by ci/rpm-fixture, as root.

usage: wrap.py DEBS RPMS        directories: the .deb files to wrap; where the .rpm files go

What changes on the way:
* names, versions and relations: `1:2.3-4` is epoch 1, version 2.3, release 4; `a | b` is a rich dependency
* base-files is `filesystem` (links to /usr made by Lua before anything is unpacked), base-passwd is `setup` (with the
  account files), the kernel is `kernel`, `kernel-core` and `kernel-modules` below /usr/lib/modules
* the system's authorities are one p11-kit file, as ca-certificates has it there
* what Debian's maintainer scripts do, EL's own forms do: presets and `systemd-update-helper`, `ldconfig` as an
  interpreter, alternatives, `getent … || useradd`; files that they make are in the packages
* what installs Debian packages is left out
"""

import base64
import os
import re
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# What only installs, configures or boots a Debian, and documentation.
LEFT_OUT = """adduser cpio debconf dpkg dracut-install init-system-helpers initramfs-tools initramfs-tools-bin
    initramfs-tools-core klibc-utils libklibc libdebconfclient0 libtext-charwidth-perl libtext-wrapi18n-perl linux-base logsave
    perl-base runit-helper sensible-utils ucf usr-is-merged debian-archive-keyring apt libapt-pkg7.0 sqv""".split()
DOCUMENTS = re.compile(r"/usr/share/(doc|man|info|locale|lintian|bug|doc-base|initramfs-tools|gdb|menu|base-passwd|pixmaps)(/|$)")
NAMES = {"base-files": "filesystem", "base-passwd": "setup", "systemd-boot-efi": "systemd-boot-unsigned"}
KERNEL_META = "linux-image-cloud-amd64"
DATE = 1767225600  # 2026-01-01
# Files and directories that maintainer scripts make, by package: (path, kind, mode, user, group).
MADE = {
    "filesystem": [(path, "dir", 0o755, "root", "root") for path in ("/mnt", "/srv", "/opt", "/etc/opt", "/var/opt", "/media",
        "/usr/local", "/usr/local/bin", "/usr/local/sbin", "/usr/local/lib", "/usr/local/share")]
        + [("/var/mail", "dir", 0o2775, "root", "mail"), ("/var/spool/mail", "../mail", 0o777, "root", "root"),
           ("/var/run", "../run", 0o777, "root", "root"), ("/var/lock", "../run/lock", 0o777, "root", "root")],
    "dbus-daemon": [("/var/lib/dbus", "dir", 0o755, "root", "root")],
    "openssh-server": [("/etc/ssh/sshd_config", "/usr/share/openssh/sshd_config", 0o600, "root", "root")],
}
# Paths that others ask for and that lie below /usr here.
PATHS = {"dash": ["/bin/sh"], "libc-bin": ["/sbin/ldconfig"], "bash": ["/bin/bash"]}
# Owners and modes that maintainer scripts give.
GIVEN = {"/usr/lib/dbus-1.0/dbus-daemon-launch-helper": (0o4754, "root", "messagebus")}
# Units that Debian's scripts enable and that a node has anyway or does not want are not in here.
PRESETS = "enable systemd-networkd.service\nenable systemd-resolved.service\nenable systemd-timesyncd.service\n" \
    "enable getty@.service\nenable remote-fs.target\nenable dbus.socket\nenable ctrl-alt-del.target\n"


class Failure(Exception):
    pass


def run(*words, **options):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, **options).stdout


def control(deb):
    """The fields of a package's control file."""
    fields, last = {}, None
    for line in run("dpkg-deb", "-f", str(deb)).decode().splitlines():
        if line[:1].isspace():
            fields[last] += " " + line.strip()
        else:
            last, _, value = line.partition(":")
            fields[last] = value.strip()
    return fields


def evr(version):
    """`1:2.3-4` -> ("1", "2.3", "4"); what is no release gets "1"."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return epoch, upstream.replace("-", "_"), revision.replace("-", "_")


def relation(text, left_out):
    """One alternative as RPM writes it, or None when it is left out."""
    match = re.fullmatch(r"\s*([a-z0-9.+-]+)(?::\w+)?\s*(?:\(\s*([<>=]+)\s*([^)\s]+)\s*\))?\s*", text)
    if not match:
        raise Failure(f"relation {text!r}")
    name, operator, version = match.groups()
    if name in left_out:
        return None
    name = NAMES.get(name, name)
    if name == KERNEL_META:
        name = "kernel"
    if not operator:
        return name
    epoch, upstream, revision = evr(version)
    whole = (epoch + ":" if epoch else "") + upstream + ("-" + revision if revision else "")
    # Without a release rpm compares versions only: every release of 2.41 is >= 2.41, and none is > 2.41.
    operator = {"<<": "<", ">>": ">" if revision else ">="}.get(operator, operator)
    return f"{name} {operator} {whole}"


def requires(fields, left_out):
    for group in ",".join(filter(None, (fields.get(key) for key in ("Pre-Depends", "Depends")))).split(","):
        if group.strip():
            found = [relation(it, left_out) for it in group.split("|")]
            if None not in found:
                yield found[0] if len(found) == 1 else "(" + " or ".join(dict.fromkeys(found)) + ")"


def members(deb):
    """(path, member) of everything in a package, without documents."""
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
        for member in archive:
            path = "/" + member.name.removeprefix(".").strip("/")
            if path != "/" and not DOCUMENTS.match(path):
                yield path, member, archive.extractfile(member).read() if member.isfile() else b""
    if process.wait():
        raise Failure(f"{deb}: dpkg-deb failed")


def scripts(deb):
    """The maintainer scripts and triggers of a package, by name."""
    process = run("dpkg-deb", "--ctrl-tarfile", str(deb))
    import io
    with tarfile.open(fileobj=io.BytesIO(process)) as archive:
        return {m.name.removeprefix("./"): archive.extractfile(m).read().decode("utf-8", "replace") for m in archive if m.isfile()}


def units(contents):
    """The units of a package that can be enabled: what EL's packagers write behind %systemd_post."""
    unit = re.compile(r"/usr/lib/systemd/system/([^/]+\.(?:service|socket|timer|path|target|mount))")
    return sorted(match[1] for path, data in contents.items()
        if (match := unit.fullmatch(path)) and re.search(rb"^\[Install\]$", data, re.MULTILINE))


def alternatives(texts):
    text = texts.get("postinst", "").replace("\\\n", " ")
    for line in re.findall(r"update-alternatives\s+(?:--quiet\s+)?--install [^\n|;&]*", text):
        words = [word for word in line.split() if word != "--quiet"]
        # Manual pages are not packed.
        if "$" not in line and "/usr/share/man" not in words[2]:
            kept, at = words[:6], 6
            while at + 3 < len(words) and words[at] == "--slave":
                if "/usr/share/man" not in words[at + 1]:
                    kept += words[at:at + 4]
                at += 4
            yield "/usr/sbin/" + " ".join(kept)


def user_lines(files):
    """What a package's sysusers.d files say: (line, kind, name)."""
    for path, data in files.items():
        if re.match(r"/usr/lib/sysusers\.d/[^/]+\.conf$", path):
            for line in data.decode().splitlines():
                words = line.split()
                if words and words[0] in ("u", "u!", "g"):
                    yield line, words[0][0], words[1]


class Spec:
    """One source package with one binary package: its text, and the files below `root`."""

    def __init__(self, name, version, arch, summary, root):
        self.name, self.version, self.arch, self.summary, self.root = name, version, arch, summary, root
        root.mkdir()
        self.requires, self.provides, self.conflicts, self.scripts, self.files = [], [], [], [], {}

    def add(self, path, kind, mode, user, group, data=b"", config=False):
        """`kind`: file, dir, or the target of a symbolic link."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "dir":
            place.mkdir(exist_ok=True)
        elif kind == "file":
            place.write_bytes(data)
        else:
            place.symlink_to(kind)
        if not place.is_symlink():
            os.chmod(place, mode)
        self.files[path] = (kind, mode, user, group, config)

    def text(self):
        epoch, version, release = evr(self.version)
        lines = [f"Name: {self.name}", f"Version: {version}", f"Release: {release or '1'}"]
        lines += [f"Epoch: {epoch}"] if epoch else []
        lines += [f"Summary: {self.summary}", "License: as in Debian", "AutoReqProv: no"]
        lines += ["BuildArch: noarch"] if self.arch == "all" else []
        lines += [f"{tag}: {it}" for tag, all in (("Requires", self.requires), ("Provides", self.provides),
            ("Conflicts", self.conflicts)) for it in dict.fromkeys(all)]
        lines += ["", "%description", "%{summary}."]
        for head, body in self.scripts:
            lines += ["", head] + ([body] if body else [])
        lines += ["", "%files"]
        for path, (kind, mode, user, group, config) in sorted(self.files.items()):
            # Nothing of Debian's base has a name that rpm would take for a pattern; `/usr/bin/[` is none.
            quoted = f'"{path}"' if " " in path else path.replace("%", "%%")
            attributes = f"%attr({mode:04o}, {user}, {group}) " if kind in ("file", "dir") else ""
            lines.append(("%dir " if kind == "dir" else "") + ("%config(noreplace) " if config else "") + attributes + quoted)
        return "\n".join(lines) + "\n"

    def build(self, place, rpms):
        spec = place / f"{self.name}.spec"
        spec.write_text(self.text())
        define = {"_topdir": place / self.name, "_rpmdir": rpms, "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
            "_binary_payload": "w3.zstdio", "_buildhost": "nodesmith.test", "use_source_date_epoch_as_buildtime": "1",
            "clamp_mtime_to_source_date_epoch": "1", "__os_install_post": "%{nil}", "_build_id_links": "none", "debug_package": "%{nil}",
            "_use_internal_dependency_generator": "0"}
        words = ["rpmbuild", "-bb", "--quiet", "--noclean", "--target", "x86_64", "--buildroot", str(self.root)]
        for key, value in define.items():
            words += ["--define", f"{key} {value}"]
        # rpmbuild empties the build root before %install: there is none.
        done = subprocess.run(words + [str(spec)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(DATE)})
        if done.returncode:
            raise Failure(f"rpmbuild {self.name}:\n{done.stdout.decode()}")
        shutil.rmtree(self.root)


def wrap(deb, place, left_out):
    """The specs of a Debian package: one, or three of a kernel."""
    fields, texts = control(deb), scripts(deb)
    name = fields["Package"]
    spec = Spec(NAMES.get(name, name), fields["Version"], fields["Architecture"], fields["Description"].split(".")[0][:70], place / f"{name}.root")
    spec.requires += [it for it in requires(fields, left_out) if it != spec.name]
    for provided in filter(str.strip, fields.get("Provides", "").split(",")):
        spec.provides.append(relation(provided, ()))
    for key in ("Conflicts", "Breaks"):
        spec.conflicts += [it for text in filter(str.strip, fields.get(key, "").split(",")) if (it := relation(text, left_out)) and " " in it]
    config = set(texts.get("conffiles", "").split("\n"))
    contents = {}
    for path, member, data in members(deb):
        mode, user, group = GIVEN.get(path, (member.mode, member.uname or "root", member.gname or "root"))
        if member.isdir():
            spec.add(path, "dir", mode, user, group)
        elif member.issym():
            spec.add(path, member.linkname, 0o777, "root", "root")
        elif member.islnk():
            # As a file of its own: the same bytes.
            other = "/" + member.linkname.removeprefix(".").strip("/")
            spec.add(path, "file", mode, user, group, contents[other])
        elif member.isfile():
            contents[path] = data
            spec.add(path, "file", mode, user, group, data, path in config)
        else:
            raise Failure(f"{deb}: {path} is no file, directory or link")
    for path, kind, mode, user, group in MADE.get(spec.name, ()):
        if kind.startswith("/"):
            kind, data = "file", contents[kind]
        else:
            data = b""
        if path not in spec.files:
            spec.add(path, kind, mode, user, group, data, kind == "file")
    for line, kind, who in user_lines(contents):
        # What rpm 4.19's generator makes of these files.
        encoded = base64.b64encode(line.encode() + b" " * (-len(line.encode()) % 3)).decode()
        spec.provides.append(f"{'user' if kind == 'u' else 'group'}({who}) = {encoded}" if " " in line.strip() else f"user({who})")
    spec.provides += PATHS.get(name, ())
    started = units(contents)
    if started:
        helper = "/usr/lib/systemd/systemd-update-helper"
        spec.scripts.append(("%post", f'if [ $1 -eq 1 ] && [ -x "{helper}" ]; then\n    # Initial installation\n    {helper} '
            f'install-system-units {" ".join(started)} || :\nfi'))
        spec.scripts.append(("%preun", f'if [ $1 -eq 0 ] && [ -x "{helper}" ]; then\n    # Package removal, not upgrade\n    {helper} '
            f'remove-system-units {" ".join(started)} || :\nfi'))
    choices = list(alternatives(texts))
    if choices and not started:
        spec.scripts.append(("%post", "\n".join(choices)))
    if "ldconfig" in texts.get("triggers", "") and not started and not choices:
        spec.scripts.append(("%post -p /sbin/ldconfig", ""))
        spec.scripts.append(("%postun -p /sbin/ldconfig", ""))
    special = SPECIAL.get(name)
    if special:
        special(spec, contents)
    if re.match(r"linux-image-.*-cloud-amd64$", name) and name != KERNEL_META:
        return kernel(spec, contents, place)
    return [spec]


def filesystem(spec, contents):
    links = [path for path, it in spec.files.items() if it[0] not in ("file", "dir") and "/" not in path[1:]]
    # In Lua, because there is no shell yet.
    lines = ['posix.mkdir("/usr")'] + [f'posix.mkdir("/usr{link}")\nposix.symlink("usr{link}", "{link}")' for link in sorted(links)]
    spec.scripts.append(("%pretrans -p <lua>", "-- Everything is below /usr.\n" + "\n".join(lines)))
    presets = "/usr/lib/systemd/system-preset"
    for path in ("/usr/lib/systemd", presets):
        spec.add(path, "dir", 0o755, "root", "root")
    spec.add(f"{presets}/85-nodesmith.preset", "file", 0o644, "root", "root", PRESETS.encode())
    spec.add(f"{presets}/99-default-disable.preset", "file", 0o644, "root", "root", b"disable *\n")
    spec.provides.append("system-release = 13")
    for target in ("profile",):
        source = f"/usr/share/base-files/{target}"
        if source in contents:
            spec.add(f"/etc/{target}", "file", 0o644, "root", "root", contents[source], True)


def setup(spec, contents):
    # The masters are documents for us; Debian's script makes these files of them.
    for path, source in (("/etc/passwd", "passwd.master"), ("/etc/group", "group.master")):
        data = MASTERS[source].replace(b":*:", b":x:")
        spec.add(path, "file", 0o644, "root", "root", data, True)
    spec.add("/etc/shells", "file", 0o644, "root", "root", b"/bin/sh\n/bin/bash\n/usr/bin/sh\n/usr/bin/bash\n", True)


def authorities(spec, contents):
    text = "# What ca-certificates of Enterprise Linux has: authorities of Mozilla's list, in p11-kit's form.\n"
    for path, data in sorted(contents.items()):
        if path.startswith("/usr/share/ca-certificates/") and path.endswith(".crt"):
            label = Path(path).stem
            text += f'[p11-kit-object-v1]\nlabel: "{label}"\ntrusted: true\nnss-mozilla-ca-policy: true\nmodifiable: false\n{data.decode().strip()}\n\n'
            del spec.files[path]
            (spec.root / path.lstrip("/")).unlink()
    for path in ("/usr/share/pki", "/usr/share/pki/ca-trust-source", "/usr/share/pki/ca-trust-source/anchors", "/etc/pki", "/etc/pki/ca-trust",
            "/etc/pki/ca-trust/extracted", "/etc/pki/ca-trust/extracted/pem", "/etc/pki/tls", "/etc/pki/tls/certs", "/etc/ssl/certs"):
        spec.add(path, "dir", 0o755, "root", "root")
    spec.add("/usr/share/pki/ca-trust-source/ca-bundle.trust.p11-kit", "file", 0o644, "root", "root", text.encode())
    spec.add("/etc/pki/tls/certs/ca-bundle.crt", "../../ca-trust/extracted/pem/tls-ca-bundle.pem", 0o777, "root", "root")
    spec.add("/etc/ssl/certs/ca-certificates.crt", "../../pki/ca-trust/extracted/pem/tls-ca-bundle.pem", 0o777, "root", "root")
    spec.scripts = [("%post", "%{_bindir}/update-ca-trust")]


def sshd(spec, contents):
    spec.scripts.insert(0, ("%pre", "getent group sshd >/dev/null || groupadd -g 74 -r sshd || :\n"
        "getent passwd sshd >/dev/null || \\\n  useradd -c \"Privilege-separated SSH\" -u 74 -g sshd \\\n  -s /sbin/nologin -r -d /run/sshd sshd 2> /dev/null || :"))
    for path in [path for path in spec.files if path.startswith("/usr/lib/sysusers.d/")]:
        del spec.files[path]
        (spec.root / path.lstrip("/")).unlink()


def systemd(spec, contents):
    spec.scripts = [("%post", "if [ $1 -eq 1 ] ; then\n        systemctl preset-all &>/dev/null || :\n"
        "        systemctl --global preset-all &>/dev/null || :\nfi")]


SPECIAL = {"systemd": systemd, "base-files": filesystem, "base-passwd": setup, "ca-certificates": authorities, "openssh-server": sshd}
MASTERS = {}


def kernel(spec, contents, place):
    """EL's split: `kernel` names it, `kernel-core` boots, `kernel-modules` has the drivers."""
    image = next(path for path in contents if path.startswith("/boot/vmlinuz-"))
    release = image.removeprefix("/boot/vmlinuz-")
    here = f"/usr/lib/modules/{release}"
    specs = {part: Spec(part, spec.version, spec.arch, f"The Linux kernel ({part})", place / f"{part}.root") for part in ("kernel", "kernel-core", "kernel-modules")}
    core, modules = specs["kernel-core"], specs["kernel-modules"]
    for part in (core, modules):
        for path in ("/usr/lib/modules", here):
            part.add(path, "dir", 0o755, "root", "root")
    core.add(f"{here}/vmlinuz", "file", 0o755, "root", "root", contents[image])
    for name in ("config", "System.map"):
        core.add(f"{here}/{name}", "file", 0o644, "root", "root", contents[f"/boot/{name}-{release}"])
    for path, (kind, mode, user, group, _) in spec.files.items():
        if path.startswith(here + "/"):
            (modules if path.startswith(here + "/kernel") else core).add(path, kind, mode, user, group, contents.get(path, b""))
    # Debian's release has one `-` more than rpm takes.
    uname = release.replace("-", "_")
    for part, other in (("kernel-core", "kernel-modules"), ("kernel-modules", "kernel-core")):
        specs[part].requires.append(f"{other}-uname-r = {uname}")
        specs[part].provides += [f"{part}-uname-r = {uname}", f"installonlypkg({'kernel' if part == 'kernel-core' else 'kernel-module'})"]
    core.provides += [f"kernel-uname-r = {uname}"]
    specs["kernel"].requires += [f"kernel-core-uname-r = {uname}", f"kernel-modules-uname-r = {uname}"]
    specs["kernel"].provides.append("installonlypkg(kernel)")
    core.scripts.append(("%posttrans", f"/bin/kernel-install add {release} {here}/vmlinuz || exit $?"))
    modules.scripts.append(("%post", f"/sbin/depmod -a {release}"))
    shutil.rmtree(spec.root)
    return list(specs.values())


def main():
    debs, rpms = map(Path, sys.argv[1:])
    rpms.mkdir(exist_ok=True)
    place = rpms.resolve().parent / "specs"
    place.mkdir()
    packages = {control(deb)["Package"]: deb for deb in sorted(debs.glob("*.deb"))}
    masters = subprocess.run(["dpkg-deb", "--fsys-tarfile", packages["base-passwd"]], check=True, stdout=subprocess.PIPE).stdout
    import io
    with tarfile.open(fileobj=io.BytesIO(masters)) as archive:
        for name in ("passwd.master", "group.master"):
            MASTERS[name] = archive.extractfile(f"./usr/share/base-passwd/{name}").read()
    left_out = set(LEFT_OUT)

    def one(deb):
        for spec in wrap(deb, place, left_out):
            spec.build(place, rpms.resolve())

    kept = [deb for name, deb in packages.items() if name not in left_out and name != KERNEL_META]
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(one, kept):
            pass
    shutil.rmtree(place)
    print(f"{len(list(rpms.glob('*.rpm')))} RPMs of {len(kept)} Debian packages")


try:
    main()
except (Failure, subprocess.CalledProcessError) as error:
    sys.exit(f"ci/rpm/wrap.py: {error}")
