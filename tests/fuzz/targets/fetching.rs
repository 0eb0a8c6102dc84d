//! What comes from a network before there is anybody to trust.

use nodesmith::agent::http::head;
use nodesmith::agent::http::url::Url;
use nodesmith::agent::initrd::network::dhcp::{self, Client, Kind, Want};

/// An answer to a client whose number and address stand in it.
pub(crate) fn dhcp(data: &[u8]) {
    let (mut mac, mut transaction) = ([0; 6], [0; 4]);
    if let (Some(number), Some(address)) = (data.get(4..8), data.get(28..34)) {
        transaction.copy_from_slice(number);
        mac.copy_from_slice(address);
    }
    let client = Client { mac, transaction };
    let Some((_, lease)) = client.read(data) else { return };
    assert!(lease.prefix <= 32 && lease.name_servers.iter().all(|server| dhcp::is_host(*server)));
    if let Some(url) = &lease.boot_file {
        assert_eq!(Url::parse(&url.to_string()).as_ref(), Ok(url));
    }
    assert!(client.message(Kind::Request, Want::BootFile, 7, &lease).len() <= dhcp::MAX_BYTES);
}

/// The head of an answer; what it redirects to; and the line of a chunk.
pub(crate) fn http_head(data: &[u8]) {
    let _ = head::chunk_length(data);
    let Ok(Some((head, length))) = head::parse(data) else { return };
    assert!(length <= data.len().min(head::MAX_BYTES) && (100..1000).contains(&head.status));
    assert!(!(head.chunked && head.length.is_some()));
    // What follows changes nothing.
    assert_eq!(head::parse(&data[..length]), Ok(Some((head.clone(), length))));
    let base = Url::parse("http://h:81/a/b").unwrap();
    if let Some(Ok(url)) = head.location.as_deref().map(|location| base.join(location)) {
        assert_eq!(Url::parse(&url.to_string()), Ok(url));
    }
}
