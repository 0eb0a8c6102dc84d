//! The description of a virtual machine that importers read first: an OVF envelope (DMTF's DSP0243, version 1), with
//! what VMware's importers want besides.
//!
//! Oracle, by hand on 2026-11-30: `xmllint --schema` with DMTF's own schema (DSP8023 1.1.1).

use std::io;

use quick_xml::escape::escape;

/// How the machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    Bios,
    Efi,
    /// With Secure Boot on.
    EfiSecure,
}

/// What the disk is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// VMware's paravirtual SCSI: the guest needs `vmw_pvscsi`.
    Paravirtual,
    /// The one that every importer has: the guest needs `mptspi`.
    LsiLogic,
}

/// A value that whoever deploys the machine may set, and that the guest gets as a part of `guestinfo.ovfEnv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property<'a> {
    pub key: &'a str,
    pub label: &'a str,
    pub description: &'a str,
    /// What it is unless somebody sets it.
    pub value: &'a str,
}

/// The properties that cloud-init's OVF datasource knows, under its names.
pub const CLOUD_INIT: [Property<'static>; 5] = [
    property("instance-id", "Instance ID", "Another value makes the machine a new one, which is set up anew."),
    property("hostname", "Host name", "The name of the machine."),
    property("public-keys", "SSH public keys", "Who may log in, a key a line."),
    property("user-data", "User data", "What to set the machine up with, in base64."),
    property("network-config", "Network configuration", "Of version 2, in base64; DHCP if there is none."),
];

const fn property(key: &'static str, label: &'static str, description: &'static str) -> Property<'static> {
    Property { key, label, description, value: "" }
}

/// A virtual machine with one disk.
#[derive(Debug, Clone, Copy)]
pub struct Appliance<'a> {
    pub name: &'a str,
    pub product: &'a str,
    pub version: &'a str,
    pub cpus: u32,
    pub memory_mib: u64,
    /// The networks of its interfaces, in order; importers ask what each is there.
    pub networks: &'a [&'a str],
    pub firmware: Firmware,
    pub controller: Controller,
    /// VMware's `vmx-NN`: 13 is vSphere 6.5, 15 6.7 U2, 19 7.0 U2, 21 8.0 U2.
    pub hardware_version: u32,
    pub properties: &'a [Property<'a>],
    pub disk: Disk<'a>,
}

#[derive(Debug, Clone, Copy)]
pub struct Disk<'a> {
    /// The vmdk file, beside the envelope.
    pub file_name: &'a str,
    pub file_bytes: u64,
    /// Bytes of the disk in it.
    pub capacity: u64,
}

/// The envelope as text.
///
/// # Errors
/// `InvalidInput` for a text that cannot stand in XML, and for a property without a key or with a key of other
/// characters than letters, digits, `-` and `_`.
pub fn envelope(appliance: &Appliance<'_>) -> io::Result<String> {
    check(appliance)?;
    let Appliance { name, product, version, hardware_version, disk, .. } = appliance;
    let Disk { file_name, file_bytes, capacity } = disk;
    let [name, product, version, file_name] = [name, product, version, file_name].map(|text| escape(*text));
    let system = os_type(*hardware_version);
    let mut networks = String::new();
    for (number, network) in appliance.networks.iter().enumerate() {
        if !appliance.networks[..number].contains(network) {
            let network = escape(*network);
            networks += &format!("    <Network ovf:name=\"{network}\">\n");
            networks += &format!("      <Description>The network {network}</Description>\n    </Network>\n");
        }
    }
    if !networks.is_empty() {
        networks =
            format!("  <NetworkSection>\n    <Info>Networks of the machine</Info>\n{networks}  </NetworkSection>\n");
    }
    let (hardware, properties) = (hardware(appliance), properties(appliance.properties));
    Ok(format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Envelope ovf:version="1.0" xml:lang="en-US"
    xmlns="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
    xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
    xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
    <File ovf:id="file1" ovf:href="{file_name}" ovf:size="{file_bytes}"/>
  </References>
  <DiskSection>
    <Info>Disks of the machine</Info>
    <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="{capacity}" ovf:capacityAllocationUnits="byte"
      ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
{networks}  <VirtualSystem ovf:id="{name}">
    <Info>A virtual machine</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="101" vmw:osType="{system}">
      <Info>The guest's operating system</Info>
      <Description>Linux, 64 bits</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection ovf:transport="com.vmware.guestInfo">
      <Info>Hardware of the machine</Info>
      <System>
        <vssd:ElementName>Virtual hardware</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-{hardware_version:02}</vssd:VirtualSystemType>
      </System>
{hardware}    </VirtualHardwareSection>
    <ProductSection>
      <Info>What the machine is</Info>
      <Product>{product}</Product>
      <Version>{version}</Version>
{properties}    </ProductSection>
  </VirtualSystem>
</Envelope>
"#
    ))
}

/// The items of the hardware, and VMware's settings behind them.
fn hardware(appliance: &Appliance<'_>) -> String {
    let Appliance { cpus, memory_mib, .. } = appliance;
    let controller = match appliance.controller {
        Controller::Paravirtual => "VirtualSCSI",
        Controller::LsiLogic => "lsilogic",
    };
    let (cpus, memory) = (cpus.to_string(), memory_mib.to_string());
    let (name_of_cpus, name_of_memory) = (format!("{cpus} virtual CPUs"), format!("{memory} MiB of memory"));
    // The schema wants the elements of an item in alphabetical order.
    let mut items = vec![
        vec![
            ("AllocationUnits", "hertz * 10^6"),
            ("ElementName", &name_of_cpus),
            ("InstanceID", "1"),
            ("ResourceType", "3"),
            ("VirtualQuantity", &cpus),
        ],
        vec![
            ("AllocationUnits", "byte * 2^20"),
            ("ElementName", &name_of_memory),
            ("InstanceID", "2"),
            ("ResourceType", "4"),
            ("VirtualQuantity", &memory),
        ],
        vec![
            ("Address", "0"),
            ("ElementName", "SCSI controller"),
            ("InstanceID", "3"),
            ("ResourceSubType", controller),
            ("ResourceType", "6"),
        ],
        vec![
            ("AddressOnParent", "0"),
            ("ElementName", "Disk"),
            ("HostResource", "ovf:/disk/vmdisk1"),
            ("InstanceID", "4"),
            ("Parent", "3"),
            ("ResourceType", "17"),
        ],
    ];
    let numbers: Vec<_> = (0..appliance.networks.len())
        .map(|number| {
            [format!("{}", 7 + number), format!("Network interface {}", number + 1), format!("{}", 5 + number)]
        })
        .collect();
    for (network, [place, name, id]) in appliance.networks.iter().zip(&numbers) {
        items.push(vec![
            ("AddressOnParent", place),
            ("AutomaticAllocation", "true"),
            ("Connection", network),
            ("ElementName", name),
            ("InstanceID", id),
            ("ResourceSubType", "VmxNet3"),
            ("ResourceType", "10"),
        ]);
    }
    let mut text = String::new();
    for item in items {
        text += "      <Item>\n";
        for (element, value) in item {
            let value = escape(value);
            text += &format!("        <rasd:{element}>{value}</rasd:{element}>\n");
        }
        text += "      </Item>\n";
    }
    let mut setting = |element: &str, key: &str, value: &str| {
        let line = format!("      <vmw:{element} ovf:required=\"false\" vmw:key=\"{key}\" vmw:value=\"{value}\"/>\n");
        text.push_str(&line);
    };
    setting("Config", "firmware", if appliance.firmware == Firmware::Bios { "bios" } else { "efi" });
    if appliance.firmware == Firmware::EfiSecure {
        setting("Config", "bootOptions.efiSecureBootEnabled", "true");
    }
    // Disks of volumes have serial numbers only with this; Kubernetes' storage for vSphere finds them by these.
    setting("ExtraConfig", "disk.EnableUUID", "TRUE");
    text
}

fn properties(properties: &[Property<'_>]) -> String {
    let mut text = String::new();
    for Property { key, label, description, value } in properties {
        let [value, label, description] = [value, label, description].map(|text| escape(*text));
        text += &format!("      <Property ovf:key=\"{key}\" ovf:type=\"string\" ovf:userConfigurable=\"true\"");
        text += &format!(" ovf:value=\"{value}\">\n        <Label>{label}</Label>\n");
        text += &format!("        <Description>{description}</Description>\n      </Property>\n");
    }
    text
}

/// The newest kind of guest for any Linux that this hardware version knows.
fn os_type(hardware_version: u32) -> &'static str {
    match hardware_version {
        ..=12 => "other3xLinux64Guest",
        13..=16 => "other4xLinux64Guest",
        17..=19 => "other5xLinux64Guest",
        20.. => "other6xLinux64Guest",
    }
}

fn check(appliance: &Appliance<'_>) -> io::Result<()> {
    let invalid = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    let own = [appliance.name, appliance.product, appliance.version, appliance.disk.file_name];
    let ofs = appliance.properties.iter().flat_map(|it| [it.key, it.label, it.description, it.value]);
    for text in own.into_iter().chain(appliance.networks.iter().copied()).chain(ofs) {
        let forbidden = |letter: char| {
            (letter.is_control() && !"\t\n\r".contains(letter)) || ('\u{fffe}'..='\u{ffff}').contains(&letter)
        };
        if text.contains(forbidden) {
            return invalid(format!("`{}` cannot stand in an OVF envelope", text.escape_default()));
        }
    }
    let is_key = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    match appliance.properties.iter().find(|it| it.key.is_empty() || !it.key.chars().all(is_key)) {
        Some(property) => invalid(format!("`{}` is no key of an OVF property", property.key.escape_default())),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::formats) fn sample() -> Appliance<'static> {
        Appliance {
            name: "worker",
            product: "Worker <1>",
            version: "1.36.2-1",
            cpus: 2,
            memory_mib: 4096,
            networks: &["VM Network", "Storage & more", "VM Network"],
            firmware: Firmware::EfiSecure,
            controller: Controller::Paravirtual,
            hardware_version: 15,
            properties: &CLOUD_INIT[..1],
            disk: Disk { file_name: "worker.vmdk", file_bytes: 406_016, capacity: 4 << 30 },
        }
    }

    #[test]
    fn the_envelope_says_what_the_machine_is() {
        insta::assert_snapshot!(envelope(&sample()).unwrap(), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <Envelope ovf:version="1.0" xml:lang="en-US"
            xmlns="http://schemas.dmtf.org/ovf/envelope/1"
            xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
            xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
            xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
            xmlns:vmw="http://www.vmware.com/schema/ovf">
          <References>
            <File ovf:id="file1" ovf:href="worker.vmdk" ovf:size="406016"/>
          </References>
          <DiskSection>
            <Info>Disks of the machine</Info>
            <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="4294967296" ovf:capacityAllocationUnits="byte"
              ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
          </DiskSection>
          <NetworkSection>
            <Info>Networks of the machine</Info>
            <Network ovf:name="VM Network">
              <Description>The network VM Network</Description>
            </Network>
            <Network ovf:name="Storage &amp; more">
              <Description>The network Storage &amp; more</Description>
            </Network>
          </NetworkSection>
          <VirtualSystem ovf:id="worker">
            <Info>A virtual machine</Info>
            <Name>worker</Name>
            <OperatingSystemSection ovf:id="101" vmw:osType="other4xLinux64Guest">
              <Info>The guest's operating system</Info>
              <Description>Linux, 64 bits</Description>
            </OperatingSystemSection>
            <VirtualHardwareSection ovf:transport="com.vmware.guestInfo">
              <Info>Hardware of the machine</Info>
              <System>
                <vssd:ElementName>Virtual hardware</vssd:ElementName>
                <vssd:InstanceID>0</vssd:InstanceID>
                <vssd:VirtualSystemIdentifier>worker</vssd:VirtualSystemIdentifier>
                <vssd:VirtualSystemType>vmx-15</vssd:VirtualSystemType>
              </System>
              <Item>
                <rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>
                <rasd:ElementName>2 virtual CPUs</rasd:ElementName>
                <rasd:InstanceID>1</rasd:InstanceID>
                <rasd:ResourceType>3</rasd:ResourceType>
                <rasd:VirtualQuantity>2</rasd:VirtualQuantity>
              </Item>
              <Item>
                <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
                <rasd:ElementName>4096 MiB of memory</rasd:ElementName>
                <rasd:InstanceID>2</rasd:InstanceID>
                <rasd:ResourceType>4</rasd:ResourceType>
                <rasd:VirtualQuantity>4096</rasd:VirtualQuantity>
              </Item>
              <Item>
                <rasd:Address>0</rasd:Address>
                <rasd:ElementName>SCSI controller</rasd:ElementName>
                <rasd:InstanceID>3</rasd:InstanceID>
                <rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>
                <rasd:ResourceType>6</rasd:ResourceType>
              </Item>
              <Item>
                <rasd:AddressOnParent>0</rasd:AddressOnParent>
                <rasd:ElementName>Disk</rasd:ElementName>
                <rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>
                <rasd:InstanceID>4</rasd:InstanceID>
                <rasd:Parent>3</rasd:Parent>
                <rasd:ResourceType>17</rasd:ResourceType>
              </Item>
              <Item>
                <rasd:AddressOnParent>7</rasd:AddressOnParent>
                <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
                <rasd:Connection>VM Network</rasd:Connection>
                <rasd:ElementName>Network interface 1</rasd:ElementName>
                <rasd:InstanceID>5</rasd:InstanceID>
                <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
                <rasd:ResourceType>10</rasd:ResourceType>
              </Item>
              <Item>
                <rasd:AddressOnParent>8</rasd:AddressOnParent>
                <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
                <rasd:Connection>Storage &amp; more</rasd:Connection>
                <rasd:ElementName>Network interface 2</rasd:ElementName>
                <rasd:InstanceID>6</rasd:InstanceID>
                <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
                <rasd:ResourceType>10</rasd:ResourceType>
              </Item>
              <Item>
                <rasd:AddressOnParent>9</rasd:AddressOnParent>
                <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
                <rasd:Connection>VM Network</rasd:Connection>
                <rasd:ElementName>Network interface 3</rasd:ElementName>
                <rasd:InstanceID>7</rasd:InstanceID>
                <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
                <rasd:ResourceType>10</rasd:ResourceType>
              </Item>
              <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>
              <vmw:Config ovf:required="false" vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="true"/>
              <vmw:ExtraConfig ovf:required="false" vmw:key="disk.EnableUUID" vmw:value="TRUE"/>
            </VirtualHardwareSection>
            <ProductSection>
              <Info>What the machine is</Info>
              <Product>Worker &lt;1&gt;</Product>
              <Version>1.36.2-1</Version>
              <Property ovf:key="instance-id" ovf:type="string" ovf:userConfigurable="true" ovf:value="">
                <Label>Instance ID</Label>
                <Description>Another value makes the machine a new one, which is set up anew.</Description>
              </Property>
            </ProductSection>
          </VirtualSystem>
        </Envelope>
        "#);
    }

    #[test]
    fn texts_that_xml_cannot_hold_are_refused() {
        let property = |key| Property { key, ..CLOUD_INIT[0] };
        for (name, key) in [("a\0b", "key"), ("a\u{1b}b", "key"), ("name", ""), ("name", "a b"), ("name", "a\"b")] {
            let error = envelope(&Appliance { name, properties: &[property(key)], ..sample() }).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
