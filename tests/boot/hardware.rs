//! Images by kinds of machines: what starts from which controller, what a machine says that has none of their drivers, and
//! how large their initrds are.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use nodesmith::formats::cpio::{self, Node};
use nodesmith::formats::device::Window;
use nodesmith::formats::erofs::read::Image;
use nodesmith::slot::Slot;

use crate::support::{Run, boot, build, image, place};
use crate::tampering::partition_start;

/// `recipes/bare-metal.yaml`, built once.
fn server() -> &'static Path {
    static BUILT: LazyLock<PathBuf> =
        LazyLock::new(|| build("tests/boot/recipes/server.yaml".as_ref(), "server", "server.lock"));
    &BUILT
}

fn ready_from(bus: &str, firmware: &str) -> Run {
    let raw = server().with_extension("raw");
    let name = format!("server-{bus}-{firmware}");
    let run = boot(&name, &raw, "node-7", &["--until", "ready", "--disk-bus", bus, "--firmware", firmware]);
    assert_eq!(run.code, Some(0), "{bus}, {firmware}:\n{}", run.console());
    run
}

/// No firmware of QEMU's starts from a MegaRAID: the kernel is the only one that has to find it.
#[test]
fn a_server_starts_from_a_raid_controller() {
    ready_from("megasas", "direct");
    assert!(
        fs::read_to_string(server().with_extension("cmdline")).unwrap().contains(" console=tty0 console=ttyS0,115200 ")
    );
}

#[test]
#[ignore = "takes long: ci/long"]
fn a_server_starts_from_every_kind_of_disk() {
    for bus in ["virtio", "nvme", "sata", "scsi", "mptsas"] {
        ready_from(bus, "uefi");
    }
}

#[test]
fn a_machine_whose_controller_has_no_driver_says_which() {
    let raw = image("check").with_extension("raw");
    let poweroff = ["--append", "nodesmith.on-failure=poweroff"];
    let arguments = [["--disk-bus", "megasas"], ["--firmware", "direct"], poweroff].concat();
    let run = boot("no-driver", &raw, "node-7", &arguments);
    assert_eq!(run.code, Some(1), "{}", run.console());
    let said: BTreeSet<&str> =
        run.serial.lines().filter_map(|line| Some(line.split_once("no driver in the initrd for ")?.1.trim())).collect();
    let one = Vec::from_iter(said);
    let [line] = &one[..] else { panic!("{one:?}\n{}", run.console()) };
    let (address, what) = line.split_once(": ").unwrap();
    assert!(address.starts_with("0000:00:"), "{line}");
    assert!(what.starts_with("RAID controller 1000:0060, class 0104, pci:v00001000d00000060sv"), "{line}");
}

/// Room that kernels, drivers and microcode of the next years may take.
#[test]
fn initrds_have_room_to_grow() {
    for (image, limit_mib) in [(image("check"), 8), (server().to_owned(), 24)] {
        let bytes = fs::metadata(image.with_extension("initrd")).unwrap().len();
        println!(
            "{}: initrd of {bytes} bytes, {} % of {limit_mib} MiB",
            image.display(),
            bytes * 100 / (limit_mib << 20)
        );
        assert!(bytes <= limit_mib << 20, "{}: {bytes} bytes", image.display());
    }
}

/// Intel's own tool finds in the initrd what it finds in the package's files.
#[test]
fn the_initrd_begins_with_the_microcode_of_all_processors() {
    let initrd = fs::read(server().with_extension("initrd")).unwrap();
    let entries = cpio::read(&initrd).unwrap();
    let blob = |name: &str| {
        let path = format!("kernel/x86/microcode/{name}").into_bytes();
        let node = entries.iter().find(|entry| entry.path == path).map(|entry| &entry.node);
        let Some(Node::File(bytes)) = node else { panic!("no {name}") };
        // Of the initrd, which the kernel finds on a page.
        assert_eq!((bytes.as_ptr() as usize - initrd.as_ptr() as usize) % 16, 0);
        *bytes
    };
    assert!(!blob("AuthenticAMD.bin").is_empty());
    let ours = place().join("GenuineIntel.bin");
    fs::write(&ours, blob("GenuineIntel.bin")).unwrap();
    let theirs = place().join("intel-ucode");
    unpack_microcode(&theirs);
    let (ours, theirs) = (listed(&ours), listed(&theirs));
    assert!(ours.len() > 100, "{}", ours.len());
    assert_eq!(ours, theirs);

    // And cpio sees an archive that everybody can read, with the archive of the agent behind it.
    let mut child =
        Command::new("cpio").args(["-it", "--quiet"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(&initrd);
    let names = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let expected = "kernel\nkernel/x86\nkernel/x86/microcode\nkernel/x86/microcode/AuthenticAMD.bin\nkernel/x86/microcode/GenuineIntel.bin\n";
    assert_eq!(names, expected);
}

/// The files of the package that the image was made from, out of its root.
fn unpack_microcode(to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    let raw = server().with_extension("raw");
    let (file, start) = (File::open(&raw).unwrap(), partition_start(&raw, Slot::A.root_label()));
    let root = Image::open(Window::new(&file, start, file.metadata().unwrap().len() - start)).unwrap();
    let mut directory = root.inode(root.root()).unwrap();
    for name in ["usr", "lib", "firmware", "intel-ucode"] {
        let entries = root.directory(&directory).unwrap();
        directory = root.inode(entries.iter().find(|entry| entry.name == name.as_bytes()).unwrap().nid).unwrap();
    }
    for entry in root.directory(&directory).unwrap().iter().filter(|entry| !entry.name.starts_with(b".")) {
        let mut bytes = Vec::new();
        root.contents(&root.inode(entry.nid).unwrap()).unwrap().read_to_end(&mut bytes).unwrap();
        fs::write(to.join(String::from_utf8(entry.name.clone()).unwrap()), bytes).unwrap();
    }
}

/// Processor, platforms and revision of every update, as `iucode_tool` lists them.
fn listed(of: &Path) -> BTreeSet<String> {
    let output = Command::new("iucode_tool")
        .args(["--quiet", "--list-all"])
        .arg(of)
        .output()
        .expect("iucode-tool is installed by ci/setup");
    let text = String::from_utf8(output.stdout).unwrap();
    let known = |line: &str| Some(line[line.find("sig 0x")?..].trim().to_owned());
    text.lines().filter_map(known).collect()
}
