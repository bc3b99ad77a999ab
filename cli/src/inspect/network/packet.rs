//! What a packet holds: the part of a TCP stream, if it is one.

use std::net::SocketAddr;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, LenSource, TransportSlice};

use super::file::Packet;

/// A part of a TCP stream.
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    pub(super) is_syn: bool,
    pub(super) is_ack: bool,
    pub(super) is_fin: bool,
    pub(super) is_reset: bool,
    pub(super) data: &'a [u8],
    /// How many bytes of data follow that were not captured.
    pub(super) cut: u32,
}

pub(super) enum Content<'a> {
    Segment(Segment<'a>),
    /// It is not put together with its others.
    Fragment,
    /// Something else, or too little of it.
    Other,
    UnknownLink(i32),
}

/// The numbers are those of the list of link types that libpcap keeps.
pub(super) fn content<'a>(packet: &Packet<'a>) -> Content<'a> {
    let data = packet.data;
    let of_type = |at: usize, head: usize| {
        let kind = data.get(at..at + 2)?.try_into().ok()?;
        let kind = EtherType(u16::from_be_bytes(kind));
        Some(LaxSlicedPacket::from_ether_type(kind, data.get(head..)?))
    };
    let layers = match packet.link_type {
        // Null and loop: four bytes tell the family, and so does IP itself.
        0 | 108 => data.get(4..).and_then(|data| LaxSlicedPacket::from_ip(data).ok()),
        1 => LaxSlicedPacket::from_ethernet(data).ok(),
        // Raw IP, by its older numbers too.
        12 | 14 | 101 | 228 | 229 => LaxSlicedPacket::from_ip(data).ok(),
        // Linux cooked capture, and its second version.
        113 => of_type(14, 16),
        276 => of_type(0, 20),
        other => return Content::UnknownLink(other),
    };
    match layers {
        Some(layers) => segment(&layers, packet.cut),
        None => Content::Other,
    }
}

fn segment<'a>(layers: &LaxSlicedPacket<'a>, packet_cut: usize) -> Content<'a> {
    // The lengths are those of all that follows the fixed part of the header.
    let (addresses, payload, told, there): ([std::net::IpAddr; 2], _, _, _) = match &layers.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let options = header.slice().len() - 20;
            let auth = ip.extensions().auth.map_or(0, |auth| auth.slice().len());
            let there = options + auth + ip.payload().payload.len();
            let told = usize::from(header.total_len()).saturating_sub(20);
            let addresses = [header.source_addr().into(), header.destination_addr().into()];
            (addresses, ip.payload(), told, there)
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let there = ip.extensions().slice().len() + ip.payload().payload.len();
            let addresses = [header.source_addr().into(), header.destination_addr().into()];
            (addresses, ip.payload(), usize::from(header.payload_length()), there)
        }
        _ => return Content::Other,
    };
    if payload.fragmented {
        return Content::Fragment;
    }
    let Some(TransportSlice::Tcp(tcp)) = &layers.transport else { return Content::Other };
    let cut = match payload.len_source {
        // A packet that was not cut yet has no length of its own.
        LenSource::Slice if !payload.incomplete => packet_cut,
        _ => told.saturating_sub(there),
    };
    let [from, to] = addresses;
    Content::Segment(Segment {
        from: (from, tcp.source_port()).into(),
        to: (to, tcp.destination_port()).into(),
        sequence: tcp.sequence_number(),
        is_syn: tcp.syn(),
        is_ack: tcp.ack(),
        is_fin: tcp.fin(),
        is_reset: tcp.rst(),
        data: tcp.payload(),
        cut: u32::try_from(cut).unwrap_or(u32::MAX),
    })
}
