//! Nodes without a disk: started by real firmware from a server, their root fetched into memory and checked on its way.

mod http;
mod proxy_dhcp;

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use self::http::Server;
use crate::support::{a_guest, build, place};

/// Of the guest whose firmware is iPXE; slirp shows the server to it under this address.
const MAC: &str = "52-54-00-12-34-07";
const HOST: &str = "10.0.2.2";
/// MiB; the smallest machine that is promised to do for the quickstart.
const MEMORY: &str = "400";
const LIMIT: Duration = Duration::from_secs(600);

/// The image's outputs, without an ending.
fn image() -> PathBuf {
    build("tests/boot/recipes/netboot.yaml".as_ref(), "netboot", "quickstart.lock")
}

/// A guest that ends with this value.
struct Guest {
    child: Child,
    serial: PathBuf,
}

impl Guest {
    fn start(name: &str, arguments: &[&str]) -> Guest {
        let serial = place().join(format!("{name}.serial.log"));
        let _ = fs::remove_file(&serial);
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max", "-smp", "2", "-no-reboot"]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-device", "virtio-rng-pci"]);
        command.args(["-serial", &format!("file:{}", serial.display())]).args(arguments);
        Guest { child: command.stdin(Stdio::null()).spawn().unwrap(), serial }
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.serial).unwrap_or_default()).into_owned()
    }

    /// What the console says, once it says this; fails when the guest ends or the time is over.
    fn until(&mut self, words: &str) -> String {
        let start = Instant::now();
        loop {
            let said = self.said();
            if said.contains(words) {
                return said;
            }
            let ended = self.child.try_wait().unwrap();
            // What it wrote before it ended is there now.
            let said = if ended.is_some() { self.said() } else { said };
            assert!(said.contains(words) || (ended.is_none() && start.elapsed() < LIMIT), "no `{words}`:\n{said}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The directory of a node's metadata, in the directory that is served.
fn give_metadata(directory: &Path, node: &str) {
    let to = directory.join("nodes").join(node);
    fs::create_dir_all(&to).unwrap();
    for name in ["meta-data", "user-data"] {
        fs::copy(Path::new("tests/boot/seeds/node-7").join(name), to.join(name)).unwrap();
    }
}

#[test]
fn a_node_without_a_disk_is_ready_in_400_mib_with_the_metadata_of_its_address() {
    let image = image();
    let directory = image.parent().unwrap();
    give_metadata(directory, MAC);
    let server = Server::start(directory);
    let at = format!("http://{HOST}:{}", server.port);
    let script = format!("#!ipxe\nset metadata {at}/nodes/${{netX/mac:hexhyp}}/\nchain netboot.ipxe\n");
    fs::write(directory.join("boot.ipxe"), script).unwrap();
    let _guest = a_guest();
    let network = format!("user,id=net,bootfile={at}/boot.ipxe");
    let card = format!("virtio-net-pci,netdev=net,mac={},bootindex=1", MAC.replace('-', ":"));
    let mut guest = Guest::start("ipxe", &["-m", MEMORY, "-netdev", &network, "-device", &card]);
    let said = guest.until("nodeinit: ready ");
    assert!(said.contains("nodeinit: ready node-7 10.0.2.15"), "{said}");
    assert!(said.contains(&format!("metadata on {at}/nodes/{MAC}/")), "{said}");
    // The image's own network has an address again, and the root is not fetched a second time.
    let asked = server.asked();
    let netdisk = asked.iter().filter(|path| path.ends_with(".netdisk")).count();
    assert!((1..=4).contains(&netdisk), "{asked:?}");
    assert!(asked.contains(&format!("/nodes/{MAC}/network-config")), "{asked:?}");
}

#[test]
fn a_flipped_bit_on_the_way_is_named_and_does_not_come_up() {
    let image = image();
    let server = Server::start(image.parent().unwrap());
    // In the middle of the data that comes first: the root's.
    server.flip("/netboot.netdisk", 40 << 20);
    let command_line = fs::read_to_string(image.with_extension("cmdline")).unwrap();
    let at = format!("http://{HOST}:{}/netboot.netdisk", server.port);
    let words = format!("{} nodesmith.netdisk={at} nodesmith.on-failure=poweroff panic=1", command_line.trim());
    let _guest = a_guest();
    let files = ["vmlinuz", "initrd"].map(|ending| image.with_extension(ending).display().to_string());
    let mut guest = Guest::start(
        "flipped",
        &[
            "-m",
            MEMORY,
            "-kernel",
            &files[0],
            "-initrd",
            &files[1],
            "-append",
            &words,
            "-netdev",
            "user,id=net",
            "-device",
            "virtio-net-pci,netdev=net,romfile=",
        ],
    );
    let said = guest.until("nodeinit: cannot boot: ");
    let place = (40 << 20) / 4096 * 4096;
    assert!(said.contains(&format!("cannot boot: byte {place} of {at}, which is byte ")), "{said}");
    assert!(said.contains("is not what the root hash vouches for, 4 times"), "{said}");
}

#[test]
#[ignore = "takes long: ci/long"]
fn a_node_starts_by_http_from_uefi_with_a_proxy_that_names_its_image() {
    let image = image();
    let server = Server::start(image.parent().unwrap());
    let variables = place().join("netboot-vars.fd");
    fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &variables).unwrap();
    // A hub joins the card, slirp with its DHCP, and the proxy.
    let proxy = UdpSocket::bind("127.0.0.1:0").unwrap();
    let qemu = { UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() };
    let (local, remote) = (format!("local.port={qemu}"), format!("remote.port={}", proxy.local_addr().unwrap().port()));
    let dgram = format!(
        "dgram,id=proxy,local.type=inet,local.host=127.0.0.1,{local},remote.type=inet,remote.host=127.0.0.1,{remote}"
    );
    proxy_dhcp::start(proxy, format!("http://{HOST}:{}/netboot.netboot.efi", server.port));
    let firmware = "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd";
    let variables = format!("if=pflash,format=raw,file={}", variables.display());
    let _guest = a_guest();
    let mut guest = Guest::start(
        "http-boot",
        &[
            "-m",
            "512",
            "-drive",
            firmware,
            "-drive",
            &variables,
            "-fw_cfg",
            "name=opt/org.tianocore/IPv4PXESupport,string=no",
            "-fw_cfg",
            "name=opt/org.tianocore/IPv6PXESupport,string=no",
            "-netdev",
            "user,id=net,ipv6=off",
            "-netdev",
            "hubport,id=a,hubid=0,netdev=net",
            "-netdev",
            &dgram,
            "-netdev",
            "hubport,id=b,hubid=0,netdev=proxy",
            "-netdev",
            "hubport,id=c,hubid=0",
            "-device",
            "virtio-net-pci,netdev=c,bootindex=1,romfile=",
        ],
    );
    let said = guest.until("nodeinit: ready ");
    assert!(said.contains("/netboot.netdisk"), "{said}");
}
