//! Questions about the distribution and its architectures: `dpkg-vendor` and `dpkg-architecture`.

use crate::arch::Arch;
use crate::assemble::scripts::programs::call::Call;
use crate::assemble::scripts::programs::options;
use crate::shell::Stop;

/// `dpkg-vendor --derives-from NAME`, `--is NAME`, `--query FIELD`, from `/etc/dpkg/origins`.
pub(super) fn vendor(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, &["derives-from=", "is=", "query=", "vendor="], true)?;
    let start = given.text("vendor").unwrap_or_else(|| "default".to_owned());
    let Some(fields) = origin(call, &start)? else {
        return call.fail(1, format!("error: vendor {start} doesn't exist in /etc/dpkg/origins/"));
    };
    let vendor = field(&fields, "Vendor").unwrap_or_default();
    if let Some(name) = given.text("is") {
        return Ok(u8::from(!name.eq_ignore_ascii_case(&vendor)));
    }
    if let Some(name) = given.text("query") {
        let Some(value) = field(&fields, &name) else { return Ok(1) };
        call.out(format!("{value}\n"))?;
        return Ok(0);
    }
    let Some(name) = given.text("derives-from") else { return call.fail(2, "error: need an action option") };
    let mut at = vendor;
    // No distribution has that many ancestors.
    for _ in 0..20 {
        if name.eq_ignore_ascii_case(&at) {
            return Ok(0);
        }
        let fields = origin(call, &at.to_ascii_lowercase())?.unwrap_or_default();
        let Some(parent) = field(&fields, "Parent") else { return Ok(1) };
        at = parent;
    }
    Ok(1)
}

type Fields = Vec<(String, String)>;

fn origin(call: &Call, name: &str) -> Result<Option<Fields>, Stop> {
    if name.contains('/') {
        return Ok(None);
    }
    let text = call.machine.files.read(format!("/etc/dpkg/origins/{name}").as_bytes())?;
    Ok(text.ok().map(|text| {
        let text = String::from_utf8_lossy(&text).into_owned();
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
    }))
}

fn field(fields: &Fields, name: &str) -> Option<String> {
    fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

/// `dpkg-architecture -q VARIABLE`: host, build and target are the image's own architecture.
pub(super) fn architecture(call: &mut Call) -> Result<u8, Stop> {
    let given = options::parse(call, &["query|q=", "equal|e=", "is|i=", "force|f"], true)?;
    let Arch { debian: arch, multiarch, .. } = call.machine.arch;
    if let Some(wanted) = given.text("equal").or_else(|| given.text("is")) {
        let equal = wanted == *arch || ["any", "linux-any", &format!("any-{arch}")].contains(&wanted.as_str());
        return Ok(u8::from(!equal));
    }
    let Some(variable) = given.text("query") else { return call.unsupported("everything but one variable (`-q`)") };
    let name = ["DEB_HOST_", "DEB_BUILD_", "DEB_TARGET_"].iter().find_map(|prefix| variable.strip_prefix(prefix));
    let (cpu, system) = multiarch.split_once('-').unwrap_or((multiarch, "linux-gnu"));
    let value = match name.unwrap_or_default() {
        "ARCH" | "ARCH_CPU" => *arch,
        "ARCH_OS" | "GNU_SYSTEM_OS" => "linux",
        "ARCH_BITS" => "64",
        "ARCH_ENDIAN" => "little",
        "GNU_CPU" => cpu,
        "MULTIARCH" | "GNU_TYPE" => *multiarch,
        "GNU_SYSTEM" => system,
        _ => return call.unsupported(format!("the variable `{variable}` of {arch}")),
    };
    call.out(format!("{value}\n"))?;
    Ok(0)
}
