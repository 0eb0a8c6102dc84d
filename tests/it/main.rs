//! The one integration binary. Its modules:
//!
//! * `recipes`: every mistake in `tests/recipes/bad`, and its good twin
//! * `policy`: what ARCHITECTURE.md promises about the source itself
//! * `apt_closure`: our choice of packages against apt's
//! * `dnf_closure`: our choice of RPMs against dnf's
//! * `build`: `nodesmith build` as a program, confined and killed
//! * `failures`: what a build says when the world is not as it should be
//! * `fresh`: what `ci/fresh` says of recipes
//! * `fuzz`: the fuzz targets over their corpus
//! * `signatures`: repositories that are not to be believed, and the same ones when they are
//! * `templates`: a disk in every form that a recipe may ask for, against its raw image
//! * `suites`: several suites of one distribution, on mirrors of two archives
//! * `images`: other people's tools look at what a build left
//! * `netboot`: what the builder writes for nodes without a disk, as the agent reads it
//! * `erofs`, `oracles_disk`, `oracles_grub`: other people's tools look at what each format writer writes
//! * `secure_boot`: signing tools, efitools and systemd-measure against our signatures, keys and registers
//! * `signed_image`: the same of what a build has signed
//! * `rpm`: our reading of RPMs against rpm's own
//! * `rpm_repositories`: mirrors, modules and signatures of RPM-md repositories, locked by the program
//! * `rpm_root`: roots of nothing but RPMs against rpm, ldconfig, systemctl and p11-kit
//! * `script_oracle`: what scripts of packages change against the real shell in a chroot
//! * `shell_oracle`: our shell against dash and bash, on random scripts
//! * `structure`: who imports whom in `src`, and that nobody does in a circle or upwards
//! * `selinux`: labels of paths against libselinux's
//! * `serve`: curl, TFTP clients, tcpdump and nasty clients against `nodesmith serve`
//! * `slugs`: every kind of mistake has a test
//! * `support`, `import`: finding those tools, reading directories back
//! * `mirror`: the suites that the shipped recipes name, and the day by which they are judged
//! * `efi_program`: what some of them look at
//! * `testkey`, `testserver`: what the library's own tests sign and serve repositories with

#![expect(clippy::unwrap_used, reason = "clippy knows only functions marked as tests for tests")]

mod apt_closure;
mod build;
mod dnf_closure;
mod efi_program;
mod erofs;
mod failures;
mod fresh;
mod fuzz;
mod images;
mod import;
mod mirror;
mod netboot;
mod oracles_disk;
mod oracles_grub;
mod oracles_template;
mod policy;
mod recipes;
mod rpm;
mod rpm_repositories;
mod rpm_root;
mod rpm_samples;
mod script_oracle;
mod secure_boot;
mod selinux;
mod serve;
mod shell_oracle;
mod signatures;
mod signed_image;
mod slugs;
mod structure;
mod suites;
mod support;
mod templates;
#[path = "../../src/trust/testkey.rs"]
mod testkey;
#[path = "../../src/repo/testserver.rs"]
#[expect(dead_code, reason = "the library's own tests use the rest")]
mod testserver;
