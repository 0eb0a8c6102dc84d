//! What the image and the node's agent must agree on: paths, partition types and labels, names on the kernel
//! command line. Constants only; a value that stands here stands nowhere else (`agent/units.rs` checks its units).

/// GPT partition type of an EFI system partition.
pub const ESP_TYPE: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
/// GPT partition type of `/var`. The specification ties this type to the machine id; we only use it as a label.
pub const VAR_TYPE: &str = "4d21b016-b534-45c2-a9fb-5c16e091fd2d";

/// GPT names of the partitions, as they appear in `/dev/disk/by-partlabel`; `slot.rs` has those of the root.
pub const ESP_LABEL: &str = "esp";
/// The partition that the agent adds at first boot, once its file system is complete.
pub const VAR_LABEL: &str = "var";
/// The name that partition has while its file system is being made: a power cut leaves this name, and the next boot
/// formats again.
pub const VAR_UNFINISHED_LABEL: &str = "var-unfinished";

/// Kernel command line: root hash of the dm-verity tree, 64 hexadecimal digits.
pub const CMDLINE_ROOT_HASH: &str = "roothash";
/// Kernel command line: the name that the disk layout gives the agent, `first-sector` of `/var` on the disk.
/// The sectors before it are the gap for slot B.
pub const CMDLINE_VAR_START: &str = "nodesmith.var-start";
/// Kernel command line: file system of `/var`, a word of `var_filesystem.rs`.
pub const CMDLINE_VAR_FS: &str = "nodesmith.var-fs";
/// Kernel command line: smallest size of `/var` in bytes; a smaller disk is an error that names the size needed.
pub const CMDLINE_VAR_MIN: &str = "nodesmith.var-min";

/// Kernel command line: what the initrd does when it cannot boot: `reboot` (default, after `panic=` seconds or 10),
/// `poweroff` or `halt`.
pub const CMDLINE_ON_FAILURE: &str = "nodesmith.on-failure";

/// Kernel command line: the netdisk (`netdisk_index.rs`) that is started from or installed: `http://HOST/NAME.netdisk`,
/// `boot` (beside what the firmware fetched) or `cd` (on the volume labelled [`MEDIUM_LABEL`]).
pub const CMDLINE_NETDISK: &str = "nodesmith.netdisk";
/// Kernel command line: SHA-256 of its head and index together, 64 hexadecimal digits.
pub const CMDLINE_NETDISK_SHA256: &str = "nodesmith.netdisk.sha256";
/// Kernel command line, cloud-init's word for metadata over the network: `ds=nocloud;s=http://HOST/PATH/`.
pub const CMDLINE_DATA_SOURCE: &str = "ds";
/// Kernel command line: how the initrd gets its address. The kernel's own word.
pub const CMDLINE_IP: &str = "ip";
/// Kernel command line: the hardware address of the interface that the boot loader used. PXELINUX's word.
pub const CMDLINE_BOOT_INTERFACE: &str = "BOOTIF";
/// Kernel command line: the disk that the netdisk is installed to: `only`, `smallest`, `name=vda`, `serial=…`, `id=…`,
/// `size>=20G`, `size<=2T`, joined by commas.
pub const CMDLINE_INSTALL: &str = "nodesmith.install";
/// Kernel command line: `yes` lets the installer take a disk that holds something.
pub const CMDLINE_INSTALL_OVERWRITE: &str = "nodesmith.install.overwrite";
/// Label of the volume with the netdisk, on a CD or a stick.
pub const MEDIUM_LABEL: &str = "NODESMITH";
/// What the names of netdisks end in.
pub const NETDISK_ENDING: &str = "netdisk";
/// Of a node's image for firmware that boots by HTTP.
pub const BOOT_FILE_ENDING: &str = "netboot.efi";

/// Directory in the initrd that holds the modules and the two lists of them.
pub const INITRD_MODULES: &str = "/modules";
/// File names of the modules that every machine loads, one a line, in the order they must be loaded.
pub const INITRD_MODULE_ORDER: &str = "/modules/order";
/// The modules that a device asks for, a line for each alias (`modules.alias`): its pattern, and the file names of what
/// has to be loaded for it, in this order.
pub const INITRD_MODULE_ALIASES: &str = "/modules/aliases";

/// The agent in the root image; the units that the builder installs start it.
pub const AGENT: &str = "/usr/lib/nodesmith/nodeinit";
/// Status of the first boot, JSON, replaced as a whole each time it changes.
pub const STATUS: &str = "/run/nodeinit/status.json";
/// What the metadata says about joining a cluster, with the token: JSON, there until the join has ended.
pub const JOIN_REQUEST: &str = "/var/lib/nodeinit/join.json";
/// What was wrong with a request that ended in a mistake, in its place: one line.
pub const JOIN_REFUSED: &str = "/var/lib/nodeinit/join-refused";
/// Present while kubeadm may have written files of a member that is not finished.
pub const JOIN_BEGUN: &str = "/var/lib/nodeinit/join-begun";
/// Present once the node is a member of a cluster: JSON with `endpoint`, `node` and `instance-id`.
pub const JOINED: &str = "/var/lib/nodeinit/joined";
/// Present once the metadata has been applied; holds the instance id it was applied for.
pub const APPLIED: &str = "/var/lib/nodeinit/applied";
/// Where the metadata that was applied came from: JSON with `origin` for people, and `place`, where its device hangs.
pub const APPLIED_FROM: &str = "/var/lib/nodeinit/applied-from";
/// Written last when a new `/var` has been filled from [`VAR_TEMPLATE`]; without it the next boot fills it again.
pub const VAR_POPULATED: &str = "/var/.nodesmith-populated";
/// Persistent copies of the directories that [`IMAGE_INFO`] lists as `writable`, each under its own path.
pub const WRITABLE_STORE: &str = "/var/lib/nodeinit/writable";
/// Where the agent mounts the metadata volume while it reads it.
pub const SEED_MOUNT: &str = "/run/nodeinit/seed";
/// Where the initrd mounts the medium that it installs from.
pub const MEDIUM_MOUNT: &str = "/run/nodeinit/medium";
/// Metadata that the installer brought, files named as its documents.
pub const INSTALLED_METADATA: &str = "/var/lib/nodeinit/installed-metadata";
/// Metadata that the initrd fetched: its files, and [`FETCHED_ORIGIN`] written last.
pub const FETCHED_METADATA: &str = "/run/nodeinit/metadata";
/// Name of the file in [`FETCHED_METADATA`] that says where it is from: JSON, in the form of [`APPLIED_FROM`].
pub const FETCHED_ORIGIN: &str = "origin";
/// Where the persistent upper layer of `/etc` lies.
pub const ETC_UPPER: &str = "/var/lib/nodeinit/etc/upper";
/// Scratch directory of the overlay file system of `/etc`.
pub const ETC_WORK: &str = "/var/lib/nodeinit/etc/work";
/// What the initrd did, for the agent that runs later: JSON.
pub const INITRD_REPORT: &str = "/run/nodeinit/initrd.json";
/// What the image says of itself: JSON, [`ImageInfo`](crate::image_info::ImageInfo).
pub const IMAGE_INFO: &str = "/usr/lib/nodesmith/image.json";
/// Archives of container images that the container runtime is given before the kubelet starts.
pub const IMAGES: &str = "/usr/share/nodesmith/images";
/// What manages the containers' cgroups, on both sides: the only driver that systemd allows beside it.
pub const CGROUP_DRIVER: &str = "systemd";
/// What the kubelet does not start without: written by `kubeadm join`.
pub const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";
/// Template of `/var`: the builder puts the tree's `/var` here, the initrd copies it into a new `/var`.
pub const VAR_TEMPLATE: &str = "/usr/share/factory/var";

/// The image's network until metadata says otherwise, below `/usr/lib/systemd/network`: DHCP on every wired interface.
/// Its name sorts behind whatever an overlay or the agent writes: networkd takes the first file that matches.
pub const DEFAULT_NETWORK: &str = "95-nodesmith-dhcp.network";
/// Goes with it, below `/usr/lib/systemd/system`: one interface that is up is enough, since servers have unused ones.
pub const WAIT_FOR_ANY_NETWORK: &str = "systemd-networkd-wait-online.service.d/50-nodesmith-any.conf";

/// Name of the virtio-serial port on which a guest reports to `nodesmith boot`: one JSON object a line.
pub const REPORT_PORT: &str = "io.nodesmith.report";
