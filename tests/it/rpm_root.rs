//! Roots of nothing but RPMs, in the style of Enterprise Linux: made by rpmbuild, assembled here, and compared with
//! what rpm, ldconfig, systemctl and p11-kit make of the same packages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use chrono::NaiveDate;
use nodesmith::assemble::{AgentFiles, Assembled, Inputs, assemble, interpret};
use nodesmith::package::{FileKind, Package, rpm};
use nodesmith::recipe::{Recipe, check, load};
use nodesmith::store::Store;
use nodesmith::tree::{Content, Digest, Kind, Origin, Tree, TreePath};
use nodesmith::trust::Keyring;
use rusqlite::Connection;
use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};

use crate::rpm::{gpg, home, sign};
use crate::support::{oracle, run, skip};

/// What a spec file says besides its head.
struct Spec {
    name: &'static str,
    head: &'static str,
    install: &'static str,
    scripts: &'static str,
    files: &'static str,
}

/// Scripts as the packages of Enterprise Linux 9, 10 and Fedora have them.
const PACKAGES: &[Spec] = &[
    Spec {
        name: "filesystem",
        head: "",
        install: "mkdir -p usr/bin usr/sbin usr/lib usr/lib64 usr/share usr/libexec usr/local/bin etc proc sys root tmp\n\
                  mkdir -p var/lib var/log var/spool var/tmp\n\
                  ln -s usr/bin bin\nln -s usr/sbin sbin\nln -s usr/lib lib\nln -s usr/lib64 lib64\nln -s ../run var/run",
        scripts: "%pretrans -p <lua>\n--# first of all\nposix.mkdir(\"/usr\")\nposix.mkdir(\"/usr/bin\")\nposix.mkdir(\"/usr/lib/debug/\")\n\
                  posix.symlink(\"usr/bin\", \"/bin\")\nposix.symlink(\"usr/sbin\", \"/sbin\")\nposix.symlink(\"usr/lib64\", \"/lib64\")\n\
                  posix.mkdir(\"/proc\")\nposix.chmod(\"/proc\", 0555)\nst = posix.stat(\"/media\")\n\
                  if st and st.type == \"link\" then\n  os.remove(\"/media\")\nend\nposix.symlink(\"../run\", \"/var/run\")\nreturn 0\n\
                  %posttrans\n#we need to restorecon\nrestorecon /var/run 2>/dev/null >/dev/null || :\n",
        files: "%dir %attr(555,root,root) /\n/bin\n/sbin\n/lib\n/lib64\n/var/run\n%dir %attr(555,root,root) /usr/bin\n\
                %dir %attr(555,root,root) /usr/sbin\n%dir %attr(555,root,root) /usr/lib\n%dir %attr(555,root,root) /usr/lib64\n\
                %dir /usr\n%dir /usr/share\n%dir /usr/libexec\n%dir /usr/local\n%dir /usr/local/bin\n%dir /etc\n%dir /var\n%dir /var/lib\n\
                %dir /var/log\n%dir /var/spool\n%dir %attr(555,root,root) /proc\n%dir %attr(555,root,root) /sys\n\
                %dir %attr(550,root,root) /root\n%dir %attr(1777,root,root) /tmp\n%dir %attr(1777,root,root) /var/tmp",
    },
    Spec {
        name: "setup",
        head: "",
        install: "mkdir -p etc\nprintf 'root:x:0:0:root:/root:/bin/bash\\nbin:x:1:1:bin:/bin:/sbin/nologin\\ndaemon:x:2:2:daemon:/sbin:/sbin/nologin\\nnobody:x:65534:65534:Kernel Overflow User:/:/sbin/nologin\\n' >etc/passwd\n\
                  printf 'root:x:0:\\nbin:x:1:\\ndaemon:x:2:\\nwheel:x:10:\\nnobody:x:65534:\\n' >etc/group\n: >etc/shadow\n: >etc/gshadow\n\
                  printf '/bin/sh\\n/sbin/nologin\\n' >etc/shells",
        scripts: "",
        files: "%config(noreplace) /etc/passwd\n%config(noreplace) /etc/group\n%config(noreplace) %attr(0000,root,root) /etc/shadow\n\
                %config(noreplace) %attr(0000,root,root) /etc/gshadow\n%config(noreplace) /etc/shells",
    },
    Spec {
        name: "bash",
        head: "",
        install: "mkdir -p usr/bin\necho bash >usr/bin/bash\nln -s bash usr/bin/sh",
        scripts: "%post -p <lua>\nnl        = '\\n'\nsh        = '/bin/sh'..nl\nbash      = '/bin/bash'..nl\nf = io.open('/etc/shells', 'a+')\n\
                  if f then\n  local shells = nl..f:read('*all')..nl\n  if not shells:find(nl..sh) then f:write(sh) end\n\
                  if not shells:find(nl..bash) then f:write(bash) end\n  f:close()\nend\n",
        files: "%attr(755,root,root) /usr/bin/bash\n/usr/bin/sh",
    },
    Spec {
        name: "libdemo",
        head: "",
        install: "mkdir -p usr/lib64/demo usr/lib64/glibc-hwcaps/x86-64-v3 etc/ld.so.conf.d usr/lib64/tie\n\
                  make() { gcc -shared -nostdlib -Wl,-soname,$2 -o $1 -x c /dev/null; }\n\
                  make usr/lib64/libdemo.so.1.2.3 libdemo.so.1\nln -s libdemo.so.1.2.3 usr/lib64/libdemo.so.1\n\
                  ln -s libdemo.so.1.2.3 usr/lib64/libdemo.so\nmake usr/lib64/glibc-hwcaps/x86-64-v3/libdemo.so.1.2.3 libdemo.so.1\n\
                  ln -s libdemo.so.1.2.3 usr/lib64/glibc-hwcaps/x86-64-v3/libdemo.so.1\n\
                  make usr/lib64/demo/libplugin.so libplugin.so\nmake usr/lib64/tie/libdemo.so.1 libdemo.so.1\n\
                  make usr/lib64/libnolink.so.2.10 libnolink.so.2\nmake usr/lib64/libnolink.so.2.9 libnolink.so.2\n\
                  gcc -shared -nostdlib -o usr/lib64/libbare.so -x c /dev/null\necho text >usr/lib64/libtext.so\n\
                  echo include ld.so.conf.d/*.conf >etc/ld.so.conf\necho '/usr/lib64/demo # plugins' >etc/ld.so.conf.d/demo.conf\n\
                  echo /usr/lib64/tie >etc/ld.so.conf.d/tie.conf\necho /usr/lib64/no >etc/ld.so.conf.d/no.txt",
        scripts: "%post -p /sbin/ldconfig\n%transfiletriggerin -P 2000000 -- /lib /usr/lib /lib64 /usr/lib64\n/sbin/ldconfig\n\
                  %transfiletriggerin -P 1000700 -p <lua> -- /usr/lib/sysusers.d\npid = posix.fork()\nif pid == 0 then\n\
                  assert(posix.exec(\"/usr/bin/systemd-sysusers\"))\nelseif pid > 0 then\nposix.wait(pid)\nend\n",
        files: "/usr/lib64/lib*\n/usr/lib64/demo\n/usr/lib64/tie\n%dir /usr/lib64/glibc-hwcaps\n/usr/lib64/glibc-hwcaps/x86-64-v3\n/etc/ld.so.conf\n/etc/ld.so.conf.d",
    },
    Spec {
        name: "dbus-daemon",
        head: "Requires(pre): /bin/sh\n",
        install: "mkdir -p usr/libexec/dbus-1 usr/libexec/utempter var/lib/tpm\necho helper >usr/libexec/dbus-1/launch\necho u >usr/libexec/utempter/utempter",
        scripts: "%pre\n# Add the \"dbus\" user and group\ngetent group dbus >/dev/null || groupadd -f -g 81 -r dbus\n\
                  if ! getent passwd dbus >/dev/null ; then\n    if ! getent passwd 81 >/dev/null ; then\n\
                  useradd -r -u 81 -g dbus -d '/' -s /sbin/nologin -c \"System message bus\" dbus\n    else\n\
                  useradd -r -g dbus -d '/' -s /sbin/nologin -c \"System message bus\" dbus\n    fi\nfi\n\
                  getent group utempter >/dev/null || /usr/sbin/groupadd -r -g 35 utempter || :\n\
                  getent passwd tss >/dev/null || \\\nuseradd -r -u 59 -d / -s /sbin/nologin \\\n -c 'TPM stack' tss\nexit 0\n\
                  %triggerin -- glibc\n/sbin/ldconfig\n",
        files: "%attr(4750,root,dbus) /usr/libexec/dbus-1/launch\n%attr(2711,root,utempter) /usr/libexec/utempter/utempter\n\
                %dir %attr(0700,tss,tss) /var/lib/tpm\n%dir /usr/libexec/dbus-1\n%dir /usr/libexec/utempter",
    },
    Spec {
        name: "haproxy",
        // `u haproxy 188 "haproxy" /var/lib/haproxy /usr/sbin/nologin` and `g haproxy -`
        head: "Provides: user(haproxy) = dSBoYXByb3h5IDE4OCAiaGFwcm94eSIgL3Zhci9saWIvaGFwcm94eSAvdXNyL3NiaW4vbm9sb2dpbiAg\n\
               Provides: group(haproxy)\nProvides: group(plain)\n\
               Provides: cap = 1\nProvides: cap = 2\nRequires: x >= 1\nRequires: x < 9\nConflicts: y < 1\nConflicts: y > 9\n\
               Obsoletes: z < 2\nRecommends: r\nSuggests: s\nSupplements: q\nEnhances: e\n",
        install: "mkdir -p var/lib/haproxy etc/haproxy",
        scripts: "",
        files: "%dir %attr(0755,haproxy,haproxy) /var/lib/haproxy\n%dir %attr(0750,root,plain) /etc/haproxy",
    },
    Spec {
        name: "chrony",
        head: "",
        install: "mkdir -p usr/lib/sysusers.d usr/lib/systemd/system usr/lib/systemd/system-preset usr/lib/systemd/user var/lib/chrony\n\
                  echo 'u chrony - \"chrony user\" /var/lib/chrony /sbin/nologin' >usr/lib/sysusers.d/chrony.conf\ncd usr/lib/systemd\n\
                  printf '[Service]\\nExecStart=/x\\n[Install]\\nWantedBy=multi-user.target\\nAlias=ntp.service\\nAlso=chrony-wait.service\\n' >system/chronyd.service\n\
                  printf '[Service]\\nExecStart=/x\\n[Install]\\nRequiredBy=time.target\\n' >system/chrony-wait.service\n\
                  printf '[Service]\\nExecStart=/x\\n[Install]\\nWantedBy=multi-user.target\\n' >system/kubelet.service\n\
                  printf '[Service]\\nExecStart=/x\\n[Install]\\nWantedBy=getty.target\\nDefaultInstance=tty9\\n' >system/getty@.service\n\
                  printf '[Service]\\nExecStart=/x\\n[Install]\\nWantedBy=multi-user.target\\nDefaultInstance=main\\n' >system/pool@.service\n\
                  printf '[Socket]\\nListenStream=/run/x\\n[Install]\\nWantedBy=sockets.target\\n' >user/agent.socket\n\
                  mkdir user-preset\necho 'enable agent.*' >user-preset/90.preset\n\
                  printf '# Fedora\\nenable chronyd.service\\nenable getty@.service tty1 tty2\\nenable pool@.service\\n' >system-preset/90-default.preset\n\
                  echo 'disable *' >system-preset/99-default-disable.preset\n\
                  printf '#!/bin/sh\nshift\nsystemctl --no-reload preset \"$@\"\n' >systemd-update-helper\nchmod 755 systemd-update-helper",
        scripts: "%post\n\nif [ $1 -eq 1 ] && [ -x \"/usr/lib/systemd/systemd-update-helper\" ]; then\n    # Initial installation\n\
                  /usr/lib/systemd/systemd-update-helper install-system-units chronyd.service kubelet.service || :\nfi\n\
                  systemctl --no-reload preset getty@.service pool@.service || :\nsystemctl preset --global agent.socket &>/dev/null || :\n\
                  %preun\nif [ $1 -eq 0 ]; then\nuserdel chrony\nfi\n",
        files: "/usr/lib/sysusers.d\n/usr/lib/systemd\n%dir %attr(0750,chrony,chrony) /var/lib/chrony",
    },
    Spec {
        name: "iptables-nft",
        head: "",
        install: "mkdir -p usr/sbin etc/alternatives var/lib/alternatives\nfor n in iptables ip6tables; do echo $n >usr/sbin/$n-nft; done\necho r >usr/sbin/raw",
        scripts: "%post\npfx=%{_sbindir}/iptables\npfx6=%{_sbindir}/ip6tables\n%{_sbindir}/update-alternatives --install \\\n\t$pfx iptables $pfx-nft 10 \\\n\
                  \t--slave $pfx6 ip6tables $pfx6-nft \\\n\t--slave $pfx-restore iptables-restore $pfx-nft-restore\n",
        files: "%dir /etc/alternatives\n%dir /var/lib/alternatives\n%attr(755,root,root) /usr/sbin/iptables-nft\n%attr(755,root,root) /usr/sbin/ip6tables-nft\n\
                %caps(cap_net_raw=ep) %attr(755,root,root) /usr/sbin/raw",
    },
    Spec {
        name: "crypto-policies",
        head: "",
        install: "mkdir -p usr/share/crypto-policies/DEFAULT etc/crypto-policies/back-ends\n\
                  for n in openssl opensslcnf krb5; do echo $n >usr/share/crypto-policies/DEFAULT/$n.txt; done",
        scripts: "",
        files: "/usr/share/crypto-policies\n/etc/crypto-policies\n%ghost /etc/crypto-policies/back-ends/openssl.config",
    },
    Spec {
        name: "kernel-core",
        head: "Provides: installonlypkg(kernel)\n",
        install: "mkdir -p lib/modules/6.12.5-1.el10/kernel boot\ncd lib/modules/6.12.5-1.el10\necho kernel >vmlinuz\necho CONFIG_X=y >config\n\
                  echo map >System.map\n: >modules.order\n: >modules.builtin",
        scripts: "%posttrans\nif [ -x /usr/sbin/depmod ]; then\n/sbin/depmod -a 6.12.5-1.el10\nfi\n",
        files: "/lib/modules/6.12.5-1.el10\n%ghost /boot/vmlinuz-6.12.5-1.el10",
    },
    Spec {
        name: "one",
        head: "",
        install: "mkdir -p opt/shared usr/bin\necho same >opt/shared/same\necho one >usr/bin/tool\necho pair >opt/shared/pair\nln -s same opt/shared/link",
        scripts: "",
        files: "%dir %attr(755,root,root) /opt/shared\n/opt/shared/same\n/opt/shared/pair\n/opt/shared/link\n/usr/bin/tool",
    },
    Spec {
        name: "twin",
        head: "",
        install: "mkdir -p opt/shared\necho same >opt/shared/same\nln -s same opt/shared/link",
        scripts: "",
        files: "%dir %attr(755,root,root) /opt/shared\n/opt/shared/same\n/opt/shared/link",
    },
    // Of the two names rpm's header has this one second: it is the other's hard link.
    Spec {
        name: "linked",
        head: "",
        install: "mkdir -p opt/shared\necho pair >opt/shared/pair\nln opt/shared/pair opt/shared/again",
        scripts: "",
        files: "/opt/shared/again\n/opt/shared/pair",
    },
    Spec { name: "other-file", head: "", install: "mkdir -p bin\necho two >bin/tool", scripts: "", files: "/bin/tool" },
    Spec {
        name: "other-mode",
        head: "",
        install: "mkdir -p opt/shared\necho same >opt/shared/same",
        scripts: "",
        files: "%attr(600,root,root) /opt/shared/same",
    },
    Spec {
        name: "other-directory",
        head: "",
        install: "mkdir -p opt/shared",
        scripts: "",
        files: "%dir %attr(700,root,root) /opt/shared",
    },
    Spec {
        name: "other-kind",
        head: "",
        install: "mkdir -p opt\nln -s /usr opt/shared",
        scripts: "",
        files: "/opt/shared",
    },
    // Each trigger writes down what set it off: rpm's Lua needs no program in the root.
    Spec {
        name: "triggered",
        head: "",
        install: "mkdir -p opt/triggered\necho x >opt/triggered/x",
        scripts: "%triggerin -p <lua> -- one >= 1.0-1.el10\nf = io.open(\"/fired\", \"a\") f:write(\"one >= 1.0-1.el10\\n\") f:close()\n\
                  %triggerin -p <lua> -- twin < 0.5\nf = io.open(\"/fired\", \"a\") f:write(\"twin < 0.5\\n\") f:close()\n\
                  %triggerin -p <lua> -- absent linked = 1.0\nf = io.open(\"/fired\", \"a\") f:write(\"absent linked = 1.0\\n\") f:close()\n\
                  %triggerin -p <lua> -- nobody other\nf = io.open(\"/fired\", \"a\") f:write(\"nobody other\\n\") f:close()\n\
                  %triggerin -p <lua> -- triggered\nf = io.open(\"/fired\", \"a\") f:write(\"triggered\\n\") f:close()\n\
                  %transfiletriggerin -p <lua> -- /opt/shared\nf = io.open(\"/fired\", \"a\") f:write(\"/opt/shared\\n\") f:close()\n\
                  %transfiletriggerin -p <lua> -- /opt/sha\nf = io.open(\"/fired\", \"a\") f:write(\"/opt/sha\\n\") f:close()\n\
                  %transfiletriggerin -p <lua> -- /nowhere /opt/triggered\nf = io.open(\"/fired\", \"a\") f:write(\"/nowhere /opt/triggered\\n\") f:close()\n\
                  %transfiletriggerin -p <lua> -- /nowhere /opt/shared/samely\nf = io.open(\"/fired\", \"a\") f:write(\"/nowhere /opt/shared/samely\\n\") f:close()\n\
                  %filetriggerin -p <lua> -- /opt/shared/pair\nf = io.open(\"/fired\", \"a\") f:write(\"/opt/shared/pair\\n\") f:close()\n\
                  %filetriggerin -p <lua> -- /etc/nowhere\nf = io.open(\"/fired\", \"a\") f:write(\"/etc/nowhere\\n\") f:close()\n",
        files: "/opt/triggered",
    },
    // Units of every kind that `preset-all` looks at.
    Spec {
        name: "systemd",
        head: "",
        install: "mkdir -p usr/lib/systemd/system usr/lib/systemd/user\ncd usr/lib/systemd/system\nunit() { printf \"[Unit]\\nDescription=x\\n$2\" >$1; }\n\
                  printf 'enable wanted.*\\nenable also.service\\nenable many@.service a b\\nenable one@.service\\nenable bare@.service\\nenable nick.service\\nenable static.service\\nenable inst@x.service\\nignore left.service\\ndisable *\\n' >../../../../p\n\
                  mkdir -p ../system-preset\nmv ../../../../p ../system-preset/80-systemd.preset\n\
                  unit static.service ''\nunit wanted.service '[Install]\\nWantedBy=multi-user.target graphical.target\\n'\n\
                  unit wanted.timer '[Install]\\nWantedBy=timers.target\\n'\n\
                  unit unwanted.service '[Install]\\nWantedBy=multi-user.target\\n'\n\
                  unit left.service '[Install]\\nWantedBy=multi-user.target\\n'\n\
                  unit also.service '[Install]\\nAlso=helper.socket static.service\\n'\nunit helper.socket '[Install]\\nWantedBy=sockets.target\\n'\n\
                  unit many@.service '[Install]\\nWantedBy=multi-user.target\\nDefaultInstance=z\\n'\n\
                  unit one@.service '[Install]\\nRequiredBy=multi-user.target\\nDefaultInstance=z\\n'\n\
                  unit bare@.service '[Install]\\nWantedBy=multi-user.target\\n'\n\
                  unit inst@.service '[Install]\\nWantedBy=multi-user.target\\n'\n\
                  unit real.service '[Install]\\nAlias=nick.service\\nWantedBy=multi-user.target\\n'\nln -s real.service nick.service\n\
                  unit x.target ''\nunit y.mount '[Install]\\nWantedBy=local-fs.target\\n'\n",
        scripts: "%post\nsystemctl preset-all &>/dev/null || :\n",
        files: "/usr/lib/systemd",
    },
    Spec {
        name: "stranger",
        head: "",
        install: "mkdir -p opt\necho x >opt/x",
        scripts: "",
        files: "%attr(2755,root,nobody-makes-it) /opt/x",
    },
];
/// Those that make one root together.
const ROOT: &[&str] = &[
    "filesystem",
    "setup",
    "bash",
    "libdemo",
    "dbus-daemon",
    "haproxy",
    "chrony",
    "iptables-nft",
    "crypto-policies",
    "kernel-core",
    "one",
    "twin",
    "linked",
];

struct Fixture {
    place: PathBuf,
    store: Store,
    packages: BTreeMap<String, Package>,
    recipe: Recipe,
}

/// The packages, built, signed and unpacked; or nothing where they cannot be made.
static FIXTURE: LazyLock<Option<Fixture>> = LazyLock::new(|| {
    for tool in ["rpmbuild", "rpmsign", "gpg", "rpm", "gcc"] {
        oracle(tool)?;
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rpm-root");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(home(&place)).unwrap();
    fs::set_permissions(home(&place), fs::Permissions::from_mode(0o700)).unwrap();
    run(gpg(&place).args([
        "--passphrase",
        "",
        "--quick-generate-key",
        "ours <ours@example.org>",
        "rsa2048",
        "sign",
        "never",
    ]));
    fs::write(place.join("ours.asc"), gpg(&place).args(["--armor", "--export", "ours"]).output().unwrap().stdout)
        .unwrap();
    let listed = run(gpg(&place).args(["--with-colons", "--fingerprint", "ours"]));
    let fingerprint =
        listed.lines().find(|line| line.starts_with("fpr:")).unwrap().split(':').nth(9).unwrap().to_owned();
    for Spec { name, head, install, scripts, files } in PACKAGES {
        let spec = place.join(format!("{name}.spec"));
        let text = format!(
            "Name: {name}\nVersion: 1.0\nRelease: 1.el10\nSummary: test\nLicense: MIT\nAutoReqProv: no\n{head}\
             %description\nTest.\n%install\nmkdir -p %{{buildroot}}\ncd %{{buildroot}}\n{install}\n{scripts}\
             %files\n%defattr(-,root,root)\n{files}\n"
        );
        fs::write(&spec, text).unwrap();
        run(Command::new("rpmbuild")
            .args(["-bb", "--target", "x86_64"])
            .args(["--define", &format!("_topdir {}", place.join("build").display())])
            .args(["--define", &format!("_rpmdir {}", place.display())])
            .args(["--define", "__os_install_post %{nil}", "--define", "_build_id_links none"])
            .args(["--define", "__brp_mangle_shebangs %{nil}", "--define", "debug_package %{nil}"])
            .arg(&spec));
    }
    let files: Vec<PathBuf> = PACKAGES.iter().map(|spec| file(&place, spec.name)).collect();
    sign(&place, "ours", &files);
    let store = Store::open(&place.join("store")).unwrap();
    let keyring = Keyring::load(&place.join("ours.asc")).unwrap();
    let unpack = |spec: &Spec| {
        let package = rpm::unpack(&mut File::open(file(&place, spec.name)).unwrap(), spec.name, Some(&keyring), &store);
        (spec.name.to_owned(), package.unwrap())
    };
    let packages = PACKAGES.iter().map(unpack).collect();
    let path = place.join("recipe.yaml");
    let text = format!(
        "nodesmith: 1\nname: el10\nrepositories:\n  el: {{rpm: {{directory: x86_64, key: ours.asc, fingerprint: {fingerprint}}}}}\n\
         packages: [bash, e2fsprogs]\nkernel: {{package: kernel-core, line: \"6.12\"}}\n"
    );
    fs::write(&path, text).unwrap();
    let today = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    let recipe = check::check(&load::load(&path).unwrap(), today).unwrap();
    Some(Fixture { place, store, packages, recipe })
});

fn file(place: &Path, name: &str) -> PathBuf {
    place.join(format!("x86_64/{name}-1.0-1.el10.x86_64.rpm"))
}

impl Fixture {
    fn assemble(&self, names: &[&str]) -> anyhow::Result<Assembled> {
        let packages: Vec<Package> = names.iter().map(|name| self.packages[*name].clone()).collect();
        let agent = AgentFiles { program: Content::inline("agent"), units: vec![] };
        let (recipe, contents) = (&self.recipe, &self.store);
        assemble(&Inputs { recipe, packages: &packages, contents, images: &[], agent: &agent })
    }

    /// The tree as files in a fresh directory, `/var` in its place.
    fn materialize(&self, tree: &Tree, name: &str) -> PathBuf {
        let root = self.place.join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root).unwrap();
        let mut modes = Vec::new();
        for (path, _, inode) in tree.iter() {
            let text = path.to_string();
            let text = text.strip_prefix("/usr/share/factory").filter(|rest| rest.starts_with("/var")).unwrap_or(&text);
            let at = root.join(text.trim_start_matches('/'));
            if fs::symlink_metadata(&at).is_ok_and(|there| !there.is_dir()) {
                fs::remove_file(&at).unwrap();
            }
            match &inode.kind {
                Kind::Directory => fs::create_dir_all(&at).unwrap(),
                Kind::File(content) => fs::write(&at, content.read(&self.store).unwrap()).unwrap(),
                Kind::Symlink(target) => {
                    let _ = fs::remove_dir(&at);
                    symlink(String::from_utf8_lossy(target).as_ref(), &at).unwrap();
                }
                other => panic!("{other:?}"),
            }
            lchown(&at, Some(inode.uid), Some(inode.gid)).unwrap();
            for (name, value) in &inode.xattrs {
                lsetxattr(&at, name.as_slice(), value, XattrFlags::empty()).unwrap();
            }
            if !matches!(inode.kind, Kind::Symlink(_)) {
                modes.push((at, inode.mode));
            }
        }
        for (at, mode) in modes {
            fs::set_permissions(at, fs::Permissions::from_mode(mode.into())).unwrap();
        }
        root
    }
}

/// The root of all packages.
static ASSEMBLED: LazyLock<Option<Assembled>> =
    LazyLock::new(|| Some(FIXTURE.as_ref()?.assemble(ROOT).unwrap_or_else(|error| panic!("{error:#}"))));

/// It on the disk, and rpm's own with the same accounts; nothing where that cannot be made.
static ROOTS: LazyLock<Option<(PathBuf, PathBuf)>> = LazyLock::new(|| {
    let (fixture, assembled) = (FIXTURE.as_ref()?, ASSEMBLED.as_ref()?);
    if !rustix::process::geteuid().is_root() {
        skip("installing below another root needs root");
        return None;
    }
    let ours = fixture.materialize(&assembled.tree, "ours");
    let theirs = fixture.place.join("theirs");
    let _ = fs::remove_dir_all(&theirs);
    for directory in ["etc", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64"] {
        fs::create_dir_all(theirs.join(directory)).unwrap();
    }
    for (link, target) in [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        symlink(target, theirs.join(link)).unwrap();
    }
    // rpm asks for names here; `setup` comes later.
    for name in ["passwd", "group"] {
        fs::copy(ours.join("etc").join(name), theirs.join("etc").join(name)).unwrap();
    }
    let files = ROOT.iter().map(|name| file(&fixture.place, name));
    run(Command::new("rpm")
        .args(["--install", "--noscripts", "--notriggers", "--nodeps", "--nosignature"])
        .args(["--dbpath", "/usr/lib/sysimage/rpm", "--root"])
        .arg(&theirs)
        .args(files));
    Some((ours, theirs))
});

fn inode<'a>(tree: &'a Tree, path: &str) -> Option<&'a nodesmith::tree::Inode> {
    let path = tree.resolve_parents(&TreePath::parse(path).unwrap(), &Origin::from("test")).unwrap();
    tree.get(&path)
}

fn link(tree: &Tree, path: &str) -> Option<String> {
    match &inode(tree, path)?.kind {
        Kind::Symlink(target) => Some(String::from_utf8_lossy(target).into_owned()),
        _ => None,
    }
}

fn text(tree: &Tree, path: &str) -> String {
    let store = &FIXTURE.as_ref().unwrap().store;
    match inode(tree, path).map(|inode| &inode.kind) {
        Some(Kind::File(content)) => String::from_utf8(content.read(store).unwrap()).unwrap(),
        other => panic!("{path}: {other:?}"),
    }
}

/// Kind, mode, owner, contents, capability of a file on disk.
fn essence(path: &Path) -> Option<String> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let (kind, what) = if metadata.is_dir() {
        ("d", String::new())
    } else if metadata.is_symlink() {
        ("l", fs::read_link(path).unwrap().to_string_lossy().into_owned())
    } else {
        ("f", Digest::of(fs::read(path).unwrap()).to_string())
    };
    let mode = if kind == "l" { 0 } else { metadata.mode() & 0o7777 };
    let mut value = [0_u8; 64];
    let length = lgetxattr(path, "security.capability", &mut value).unwrap_or(0);
    Some(format!("{kind} {mode:o} {}:{} {what} {:?}", metadata.uid(), metadata.gid(), &value[..length]))
}

#[test]
fn an_all_rpm_root_is_what_rpm_installs() {
    let Some((ours, theirs)) = &*ROOTS else { return };
    // What the assembly itself writes or leaves out, and why that is right is tested elsewhere.
    let changed =
        ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/shells", "/root", "/", "/usr/sbin", "/etc"];
    let gone = ["/lib/modules/6.12.5-1.el10/vmlinuz", "/lib/modules/6.12.5-1.el10/System.map"];
    let mut count = 0;
    for name in ROOT {
        for entry in &FIXTURE.as_ref().unwrap().packages[*name].files {
            let path = entry.path.to_string();
            let at = |root: &Path| essence(&root.join(path.trim_start_matches('/')));
            if gone.contains(&path.as_str()) {
                assert_eq!(at(ours), None, "{path}");
            } else if !changed.contains(&path.as_str()) || entry.kind == FileKind::Directory && path != "/root" {
                assert_eq!(at(ours), at(theirs), "{path} of {name}");
                count += 1;
            }
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn accounts_come_from_scripts_sysusers_and_provides_before_files_are_unpacked() {
    let Some(Assembled { tree, scripts, .. }) = &*ASSEMBLED else { return };
    let passwd = text(tree, "/etc/passwd");
    for line in [
        "dbus:x:81:81:System message bus:/:/sbin/nologin",
        "tss:x:59:59:TPM stack:/:/sbin/nologin",
        "haproxy:x:188:188:haproxy:/var/lib/haproxy:/usr/sbin/nologin",
        "chrony:x:979:979:chrony user:/var/lib/chrony:/sbin/nologin",
        "daemon:x:2:2:daemon:/sbin:/sbin/nologin",
    ] {
        assert!(passwd.lines().any(|known| known == line), "{line} is not in {passwd}");
    }
    assert!(text(tree, "/etc/group").contains("\nutempter:x:35:\n"));
    let helper = inode(tree, "/usr/libexec/dbus-1/launch").unwrap();
    assert_eq!((helper.mode, helper.uid, helper.gid), (0o4750, 0, 81));
    assert_eq!(inode(tree, "/etc/shadow").unwrap().mode, 0);
    let outcome = |name: &str, script: &str| {
        let found = scripts.iter().find(|account| account.package.name == name && account.script == script);
        found.unwrap_or_else(|| panic!("{name} {script}")).outcome.to_string()
    };
    for (name, script) in [("dbus-daemon", "%pre"), ("bash", "%post"), ("filesystem", "%pretrans")] {
        assert_eq!(outcome(name, script), "interpreted", "{name} {script}");
    }
    assert_eq!(outcome("chrony", "%preun"), "not run on a fresh image");
    // What `setup` brings, and what bash's scriptlet adds.
    assert_eq!(text(tree, "/etc/shells"), "/bin/sh\n/sbin/nologin\n/bin/bash\n");
}

#[test]
fn an_owner_that_nobody_makes_and_paths_that_differ_are_mistakes_where_rpm_refuses_too() {
    let Some(fixture) = &*FIXTURE else { return };
    let error = |name: &str| {
        let names: Vec<&str> = ROOT.iter().copied().chain([name]).collect();
        fixture.assemble(&names).map(|_| ()).unwrap_err().to_string()
    };
    assert!(error("stranger").contains("`/opt/x` of stranger 1.0-1.el10 belongs to `nobody-makes-it`"));
    for (name, path, details) in [
        ("other-file", "/usr/bin/tool", "a file"),
        ("other-mode", "/opt/shared/same", "0600 root:root"),
        ("other-directory", "/opt/shared", "a directory 0700 root:root"),
        ("other-kind", "/opt/shared", "a link to /usr"),
    ] {
        let text = error(name);
        for word in [path, &format!("{name} 1.0-1.el10"), "one 1.0-1.el10", details, "file-conflict"] {
            assert!(text.contains(word), "`{word}` is not in {text}");
        }
        let Some((_, theirs)) = &*ROOTS else { continue };
        let refused = Command::new("rpm")
            .args(["--install", "--test", "--nodeps", "--nosignature", "--dbpath", "/usr/lib/sysimage/rpm", "--root"])
            .arg(theirs)
            .arg(file(&fixture.place, name))
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && words.contains("conflicts with file from package one"), "{name}: {words}");
    }
}

#[test]
fn the_loader_finds_what_ldconfig_lets_it_find() {
    let (Some((ours, _)), Some(ldconfig)) = (&*ROOTS, oracle("ldconfig")) else { return };
    let cache = ours.join("etc/ld.so.cache");
    let print = |cache: &Path| run(Command::new(&ldconfig).arg("-p").arg("-C").arg(cache));
    let told = |text: String| text.lines().filter(|line| line.starts_with('\t')).collect::<Vec<_>>().join("\n");
    let made = told(print(&cache));
    // The system's directories of this machine's ldconfig are not Enterprise Linux's.
    let theirs = FIXTURE.as_ref().unwrap().place.join("ldconfig");
    let _ = fs::remove_dir_all(&theirs);
    run(Command::new("cp").arg("-a").arg(ours).arg(&theirs));
    fs::remove_file(theirs.join("etc/ld.so.cache")).unwrap();
    fs::remove_file(theirs.join("usr/lib64/libnolink.so.2")).unwrap();
    let configuration = "include ld.so.conf.d/*.conf\n/lib\n/lib64\n";
    fs::write(theirs.join("etc/ld.so.conf"), configuration).unwrap();
    run(Command::new(&ldconfig).arg("-r").arg(&theirs));
    assert_eq!(made, told(print(&theirs.join("etc/ld.so.cache"))));
    assert!(
        made.contains("libdemo.so.1 (libc6,x86-64, hwcap: \"x86-64-v3\") => /lib64/glibc-hwcaps/x86-64-v3/"),
        "{made}"
    );
    let link = |root: &Path| fs::read_link(root.join("usr/lib64/libnolink.so.2")).unwrap();
    assert_eq!(link(ours), link(&theirs));
    assert_eq!(link(ours), Path::new("libnolink.so.2.10"));
}

#[test]
fn units_start_that_systemctl_presets() {
    let (Some((ours, _)), Some(systemctl)) = (&*ROOTS, oracle("systemctl")) else { return };
    let theirs = FIXTURE.as_ref().unwrap().place.join("presets");
    let _ = fs::remove_dir_all(&theirs);
    fs::create_dir_all(theirs.join("usr/lib")).unwrap();
    run(Command::new("cp").arg("-a").arg(ours.join("usr/lib/systemd")).arg(theirs.join("usr/lib")));
    let preset = |arguments: &[&str]| {
        run(Command::new(&systemctl).arg(format!("--root={}", theirs.display())).args(arguments));
    };
    preset(&["preset", "chronyd.service", "kubelet.service", "getty@.service", "pool@.service"]);
    preset(&["preset", "--global", "agent.socket"]);
    assert_eq!(unit_links(ours), unit_links(&theirs));
    assert_eq!(unit_links(ours).len(), 7, "{:?}", unit_links(ours));
}

/// The links that enable units, each with the name that it leads to.
fn unit_links(root: &Path) -> BTreeSet<(String, String)> {
    let listed = Command::new("find").arg("etc/systemd").args(["-type", "l"]).current_dir(root).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let link = |path: &str| {
        let target = fs::read_link(root.join(path)).unwrap().to_string_lossy().into_owned();
        (path.to_owned(), target.rsplit('/').next().unwrap().to_owned())
    };
    listed.lines().filter(|path| !path.ends_with("default.target")).map(link).collect()
}

#[test]
fn preset_all_enables_what_systemctl_enables() {
    let (Some(fixture), Some(systemctl)) = (&*FIXTURE, oracle("systemctl")) else { return };
    // Of an image without users' services: `preset-all` has the system's in mind.
    let names: Vec<&str> = ROOT.iter().copied().filter(|name| *name != "chrony").chain(["systemd"]).collect();
    let ours = fixture.materialize(&fixture.assemble(&names).unwrap().tree, "preset-all-ours");
    let theirs = fixture.place.join("preset-all-theirs");
    let _ = fs::remove_dir_all(&theirs);
    fs::create_dir_all(theirs.join("usr/lib")).unwrap();
    run(Command::new("cp").arg("-a").arg(ours.join("usr/lib/systemd")).arg(theirs.join("usr/lib")));
    run(Command::new(&systemctl).arg(format!("--root={}", theirs.display())).arg("preset-all"));
    assert_eq!(unit_links(&ours), unit_links(&theirs));
    assert_eq!(unit_links(&ours).len(), 7, "{:?}", unit_links(&ours));
}

#[test]
fn triggers_are_set_off_that_rpm_sets_off() {
    let Some(fixture) = &*FIXTURE else { return };
    let names = ["one", "twin", "linked", "triggered"];
    let packages: Vec<&Package> = names.iter().map(|name| &fixture.packages[*name]).collect();
    let packages: Vec<Package> = packages.into_iter().cloned().collect();
    let agent = AgentFiles { program: Content::inline("agent"), units: vec![] };
    let inputs =
        Inputs { recipe: &fixture.recipe, packages: &packages, contents: &fixture.store, images: &[], agent: &agent };
    let interpreted = interpret(&inputs, Default::default()).unwrap();
    assert!(interpreted.problems.is_empty(), "{:?}", interpreted.problems);
    let Some(Kind::File(fired)) = interpreted.tree.get(&TreePath::parse("/fired").unwrap()).map(|inode| &inode.kind)
    else {
        panic!("no trigger was set off")
    };
    let fired = String::from_utf8(fired.read(&fixture.store).unwrap()).unwrap();
    let ours: BTreeSet<String> = fired.lines().map(str::to_owned).collect();
    let texts = fixture.packages["triggered"].scripts.iter().map(|script| String::from_utf8_lossy(&script.text));
    let all: BTreeSet<String> =
        texts.map(|text| text.lines().next().unwrap().trim_start_matches("# on ").to_owned()).collect();
    assert_eq!(all.len(), 11, "{all:?}");
    if !rustix::process::geteuid().is_root() {
        return skip("installing below another root needs root");
    }
    let theirs = fixture.place.join("triggers");
    let _ = fs::remove_dir_all(&theirs);
    fs::create_dir_all(&theirs).unwrap();
    run(Command::new("rpm")
        .args(["--install", "--nodeps", "--nosignature", "--dbpath", "/usr/lib/sysimage/rpm", "--root"])
        .arg(&theirs)
        .args(names.iter().map(|name| file(&fixture.place, name))));
    let fired: BTreeSet<String> =
        fs::read_to_string(theirs.join("fired")).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(ours, fired);
    assert_eq!(fired.len(), 7, "{fired:?}");
}

#[test]
fn rpm_and_its_database_are_the_same_as_after_an_installation() {
    let Some((ours, theirs)) = &*ROOTS else { return };
    let query = |root: &Path, arguments: &[&str]| {
        let output = Command::new("rpm")
            .args(["--dbpath", "/usr/lib/sysimage/rpm", "--root"])
            .arg(root)
            .args(arguments)
            .output()
            .unwrap();
        let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        (lines, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for arguments in [
        &["-qa"][..],
        &["-qal"],
        &["-qa", "--provides", "--requires", "--scripts", "--filetriggers"],
        &["-qa", "--qf", "%{NAME} %{SHA256HEADER} %{SIGMD5} %{SIGSIZE} %{ARCHIVESIZE} %{RSAHEADER:pgpsig}\\n"],
        &["-qf", "/usr/libexec/dbus-1/launch"],
        &["-q", "--whatprovides", "user(haproxy)"],
    ] {
        let (found, problems) = query(ours, arguments);
        assert_eq!(found, query(theirs, arguments).0, "{arguments:?}: {problems}");
        assert!(!found.is_empty(), "{arguments:?}");
    }
    assert_eq!(query(ours, &["-qa"]).0.len(), ROOT.len());
    // What the assembly changed shows, and nothing else.
    let (changed, _) = query(ours, &["-Va", "--nomtime", "--nordev", "--nodeps"]);
    let paths: BTreeSet<&str> = changed.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    let expected = ["/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow", "/etc/shells", "/root"];
    assert_eq!(paths, BTreeSet::from(expected), "{changed:?}");

    let rows = |root: &Path| {
        let database = Connection::open(root.join("usr/lib/sysimage/rpm/rpmdb.sqlite")).unwrap();
        let mut rows = BTreeSet::new();
        for (name, _) in rpm::INDEXES.iter().filter(|(name, _)| *name != "Installtid") {
            let sql =
                format!("SELECT quote(key), idx, (SELECT key FROM Name WHERE Name.hnum = it.hnum) FROM '{name}' it");
            let mut select = database.prepare(&sql).unwrap();
            let row = |row: &rusqlite::Row| {
                let (key, place, package): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(format!("{name} {package} {key} {place}"))
            };
            rows.extend(select.query_map([], row).unwrap().map(Result::unwrap));
        }
        let schema: Vec<String> = {
            // rpm lets SQLite write statistics (sqlite_stat1) when it sees fit.
            let sql = "SELECT sql FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY name";
            let mut select = database.prepare(sql).unwrap();
            select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        (rows, schema)
    };
    let ((ours, our_schema), (theirs, their_schema)) = (rows(ours), rows(theirs));
    assert_eq!(our_schema, their_schema);
    let differing: Vec<&String> = ours.symmetric_difference(&theirs).collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

#[test]
fn the_same_packages_give_the_same_database_in_any_order() {
    let Some(fixture) = &*FIXTURE else { return };
    let database = |names: &[&str]| {
        let assembled = fixture.assemble(names).unwrap();
        inode(&assembled.tree, "/usr/lib/sysimage/rpm/rpmdb.sqlite").unwrap().kind.clone()
    };
    let reversed: Vec<&str> = ROOT.iter().rev().copied().collect();
    assert_eq!(database(ROOT), database(&reversed));
    assert_ne!(database(ROOT), database(&ROOT[..ROOT.len() - 1]));
}

#[test]
fn alternatives_policies_and_the_kernel_are_in_their_places() {
    let Some(Assembled { tree, kernel, .. }) = &*ASSEMBLED else { return };
    assert_eq!(link(tree, "/usr/sbin/iptables").as_deref(), Some("/etc/alternatives/iptables"));
    assert_eq!(link(tree, "/etc/alternatives/ip6tables").as_deref(), Some("/usr/sbin/ip6tables-nft"));
    let state = text(tree, "/usr/share/factory/var/lib/alternatives/iptables");
    // Nobody brings iptables-nft-restore.
    let expected = "auto\n/usr/sbin/iptables\nip6tables\n/usr/sbin/ip6tables\n\n/usr/sbin/iptables-nft\n10\n";
    assert!(state.starts_with(expected), "{state}");
    let policy = link(tree, "/etc/crypto-policies/back-ends/opensslcnf.config");
    assert_eq!(policy.as_deref(), Some("/usr/share/crypto-policies/DEFAULT/opensslcnf.txt"));
    assert_eq!(text(tree, "/etc/crypto-policies/state/current"), "DEFAULT\n");
    assert_eq!((kernel.release.as_str(), kernel.config.as_str()), ("6.12.5-1.el10", "CONFIG_X=y\n"));
    assert_eq!(kernel.package.name, "kernel-core");
    assert_eq!(kernel.image.read(&FIXTURE.as_ref().unwrap().store).unwrap(), b"kernel\n");
    assert!(text(tree, "/etc/nsswitch.conf").contains("hosts: files dns\n"));
    assert_eq!(link(tree, "/usr/share/factory/var/lib/rpm").as_deref(), Some("../../usr/lib/sysimage/rpm"));
}
