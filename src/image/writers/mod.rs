//! What writes the outputs that recipes ask for (`recipe/output.rs`): a row and a file each.

mod azure;
mod gce;
mod netdisk;
mod ova;
mod pxe;
mod qcow2;
mod raw;
mod raw_zst;
mod vhd;
mod vhdx;
mod vmdk;

use std::num::NonZeroUsize;

use anyhow::Context;

pub use self::raw::Image;

use self::raw::RawImage;
use super::outputs::Outputs;
use crate::recipe::output::{self, Output};

/// How one output is written.
struct Writer {
    output: &'static Output,
    /// Makes the files of the output's endings from the raw image, with that many threads.
    write: fn(&RawImage, NonZeroUsize, &mut Outputs) -> anyhow::Result<()>,
}

/// In the order in which manifests list their files.
const WRITERS: [Writer; output::OUTPUTS.len()] = [
    Writer { output: &output::QCOW2, write: qcow2::write },
    Writer { output: &output::RAW_ZST, write: raw_zst::write },
    Writer { output: &output::VMDK, write: vmdk::write },
    Writer { output: &output::OVA, write: ova::write },
    Writer { output: &output::VHD, write: vhd::write },
    Writer { output: &output::AZURE, write: azure::write },
    Writer { output: &output::VHDX, write: vhdx::write },
    Writer { output: &output::GCE, write: gce::write },
    Writer { output: &output::PXE, write: pxe::write },
    Writer { output: &output::RAW, write: raw::write },
];

/// Writes the disk in every form that is wanted.
pub fn write(
    image: &Image<'_>,
    wanted: &[&'static Output],
    threads: NonZeroUsize,
    outputs: &mut Outputs,
) -> anyhow::Result<()> {
    write_by(&WRITERS, image, wanted, threads, outputs)
}

fn write_by(
    writers: &[Writer],
    image: &Image<'_>,
    wanted: &[&'static Output],
    threads: NonZeroUsize,
    outputs: &mut Outputs,
) -> anyhow::Result<()> {
    let raw = RawImage::make(image, outputs)?;
    for Writer { output, write } in writers.iter().filter(|writer| wanted.contains(&writer.output)) {
        write(&raw, threads, outputs).with_context(|| format!("writing {}", output.word))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::formats::sparse::Source;
    use crate::image::disk::layout::{self, Request};
    use crate::image::start::Start;
    use crate::tree::Digest;

    #[derive(Debug)]
    struct NoStart;

    impl Start for NoStart {
        fn command_line(&self) -> &str {
            "roothash=00"
        }

        fn uki(&self, command_line: &str) -> anyhow::Result<Vec<u8>> {
            Ok(command_line.into())
        }
    }

    /// The names of what comes out for a small disk, each without `x.` in front.
    fn written(writers: &[Writer], wanted: &[&'static Output]) -> BTreeSet<String> {
        let plan = layout::plan(Request {
            image: "x 1".to_owned(),
            arch: &crate::arch::X86_64,
            esp_bytes: 40 << 20,
            slot_bytes: 1 << 20,
            var_min_bytes: 0,
            esp: vec![],
            root: Source::Bytes(b"root"),
            verity: Source::Bytes(b"verity"),
            root_hash: Digest([7; 32]),
            epoch: 0,
            grub: None,
        })
        .unwrap();
        let place = tempfile::tempdir().unwrap();
        let mut outputs = Outputs::begin(place.path(), "x", &()).unwrap();
        let image = Image { name: "x", version: "1", plan: &plan, epoch: 0, start: &NoStart };
        write_by(writers, &image, wanted, NonZeroUsize::MIN, &mut outputs).unwrap();
        outputs.finish().unwrap();
        let names = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter_map(|name| Some(name.strip_prefix("x.")?.to_owned())).collect()
    }

    fn endings(outputs: &[&'static Output]) -> BTreeSet<String> {
        outputs.iter().flat_map(|output| output.endings).map(|ending| (*ending).to_owned()).collect()
    }

    #[test]
    fn every_output_has_a_writer_that_makes_its_files_and_no_others() {
        for output in output::OUTPUTS {
            assert_eq!(written(&WRITERS, &[output]), endings(&[output]), "{}", output.word);
        }
        assert_eq!(written(&WRITERS, &output::OUTPUTS), endings(&output::OUTPUTS));
    }

    #[test]
    fn a_new_output_is_a_row_and_a_function() {
        const TOY: Output = Output { word: "toy", endings: &["toy", "toy.txt"], about: "to play with", default: false };
        let toy = Writer {
            output: &TOY,
            write: |raw, _, outputs| {
                outputs.write("toy", &[1; 3])?;
                outputs.write("toy.txt", format!("of a disk of {} bytes\n", raw.bytes).as_bytes())
            },
        };
        let writers = [toy, Writer { output: &output::RAW, write: raw::write }];
        assert_eq!(written(&writers, &[&TOY]), endings(&[&TOY]));
        assert_eq!(written(&writers, &[&output::RAW, &TOY]), endings(&[&output::RAW, &TOY]));
    }
}
