//! A proxy DHCP server on a wire of QEMU (a datagram is an Ethernet frame): names the boot file to those that boot by HTTP
//! (UEFI 2.10, 24.7), and gives no address.

use std::net::UdpSocket;
use std::thread;

const MAC: [u8; 6] = [0x52, 0x55, 0, 0, 0, 9];
const ADDRESS: [u8; 4] = [10, 0, 2, 9];
/// Where the parts of a frame with DHCP begin, if no header has options.
const IP: usize = 14;
const UDP: usize = IP + 20;
const DHCP: usize = UDP + 8;
const OPTIONS: usize = DHCP + 240;

pub(super) fn start(wire: UdpSocket, url: String) {
    thread::spawn(move || {
        let mut frame = [0; 2048];
        while let Ok((length, from)) = wire.recv_from(&mut frame) {
            if let Some(answer) = answer(&frame[..length], &url) {
                wire.send_to(&answer, from).unwrap();
            }
        }
    });
}

/// The offer to a discovery by somebody who boots by HTTP.
fn answer(frame: &[u8], url: &str) -> Option<Vec<u8>> {
    let is_discovery = frame.get(12..IP)? == [8, 0]
        && frame[IP] == 0x45
        && frame[IP + 9] == 17
        && frame.get(UDP + 2..UDP + 4)? == [0, 67]
        && frame.get(OPTIONS..)?.windows(3).any(|option| option == [53, 1, 1])
        && frame[OPTIONS..].windows(10).any(|text| text == b"HTTPClient");
    if !is_discovery {
        return None;
    }
    let mut dhcp = vec![0; 240];
    dhcp[..3].copy_from_slice(&[2, 1, 6]);
    dhcp[4..12].copy_from_slice(&frame[DHCP + 4..DHCP + 12]);
    dhcp[28..34].copy_from_slice(&frame[DHCP + 28..DHCP + 34]);
    dhcp[236..].copy_from_slice(&[99, 130, 83, 99]);
    dhcp.extend([53, 1, 2, 54, 4]);
    dhcp.extend(ADDRESS);
    dhcp.extend(
        [&[60, 10], b"HTTPClient".as_slice(), &[67, u8::try_from(url.len()).unwrap()], url.as_bytes()].concat(),
    );
    dhcp.push(255);
    let big = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
    let mut ip = vec![0x45, 0];
    ip.extend(big(28 + dhcp.len()));
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(ADDRESS);
    ip.extend([255; 4]);
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    ip[10..12].copy_from_slice(&(!u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()).to_be_bytes());
    let mut udp = vec![0, 67, 0, 68];
    udp.extend(big(8 + dhcp.len()));
    // No checksum.
    udp.extend([0, 0]);
    Some([&[255; 6], MAC.as_slice(), &[8, 0], &ip, &udp, &dhcp].concat())
}
