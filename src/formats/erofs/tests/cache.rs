//! The cache of compressed forms: it changes how long a build takes, never what it makes.

use super::*;

fn cached(tree: &Tree, store: &Store, options: &Options, cache: &Memory) -> (Summary, Vec<u8>) {
    let mut image = Cursor::new(Vec::new());
    let summary = write(tree, store, options, cache, &mut image).unwrap();
    (summary, image.into_inner())
}

#[test]
fn an_image_from_the_cache_has_the_same_bytes() {
    let store = Store::new();
    let tree = sample(&store);
    for codec in [ZSTD, LZ4HC] {
        let options = options(codec, 16 << 10);
        let cache = Memory::default();
        let without = written(&tree, &store, &options);
        let (first, image) = cached(&tree, &store, &options, &cache);
        assert_eq!((first.cached_files, &image), (0, &without));
        let (second, image) = cached(&tree, &store, &options, &cache);
        // `text` and `mixed`: `noise` does not compress, and the others are too small.
        assert_eq!((second.cached_files, &image), (2, &without));
    }
}

#[test]
fn other_options_do_not_find_the_forms() {
    let store = Store::new();
    let tree = sample(&store);
    let cache = Memory::default();
    let all = [(ZSTD, 16 << 10), (Codec::Zstd { level: 4 }, 16 << 10), (ZSTD, 32 << 10), (LZ4HC, 16 << 10)];
    for (codec, extent) in all {
        assert_eq!(cached(&tree, &store, &options(codec, extent), &cache).0.cached_files, 0);
    }
}

#[test]
fn a_damaged_form_is_made_anew() {
    let store = Store::new();
    let tree = sample(&store);
    let options = options(ZSTD, 16 << 10);
    let cache = Memory::default();
    let (_, whole) = cached(&tree, &store, &options, &cache);
    let good = cache.0.lock().unwrap().clone();
    let damages: [fn(&mut Vec<u8>); 5] = [
        |form| form.clear(),
        |form| form.truncate(form.len() - 4096),
        |form| form.push(0),
        |form| form[9] ^= 1,
        |form| {
            let middle = form.len() / 2;
            form[middle] ^= 0x10;
        },
    ];
    for damage in damages {
        cache.0.lock().unwrap().values_mut().for_each(damage);
        let (summary, image) = cached(&tree, &store, &options, &cache);
        assert_eq!((summary.cached_files, &image), (0, &whole));
        assert_eq!(*cache.0.lock().unwrap(), good);
    }
}

#[test]
fn a_form_of_another_file_is_not_taken() {
    let store = Store::new();
    let tree = sample(&store);
    let options = options(ZSTD, 16 << 10);
    let cache = Memory::default();
    let (_, whole) = cached(&tree, &store, &options, &cache);
    {
        let mut forms = cache.0.lock().unwrap();
        let swapped: Vec<Vec<u8>> = forms.values().rev().cloned().collect();
        forms.values_mut().zip(swapped).for_each(|(form, other)| *form = other);
    }
    let (summary, image) = cached(&tree, &store, &options, &cache);
    assert_eq!((summary.cached_files, &image), (0, &whole));
}
