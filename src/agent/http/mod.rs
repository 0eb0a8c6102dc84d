//! Files from web servers: GET over plain HTTP/1.1, with ranges, redirects and patience.
//!
//! No TLS: whoever fetches checks what comes by a digest that the kernel command line names, or takes it on the word of
//! the network that started the machine, as metadata is. So everything from a server is bounded here and nothing believed.

pub mod client;
pub mod connection;
pub mod head;
pub mod patience;
pub mod remote_file;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod url;
