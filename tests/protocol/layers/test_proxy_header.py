"""The grammar of PROXY headers, against the library `proxy-protocol` as an independent reader."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from crc32c import crc32c as reference
from hypothesis import given
from hypothesis import strategies as st
from proxyprotocol.result import (
    ProxyResult,
    ProxyResultIPv4,
    ProxyResultIPv6,
    ProxyResultLocal,
    ProxyResultUnix,
    ProxyResultUnknown,
)
from proxyprotocol.tlv import ProxyProtocolSSLTLV, ProxyProtocolTLV
from proxyprotocol.v1 import ProxyProtocolV1
from proxyprotocol.v2 import ProxyProtocolV2

from anylane.protocol import ProxyInfo
from anylane.protocol.layers.crc32c import crc32c
from anylane.protocol.layers.proxy_header import BadHeader
from anylane.protocol.layers.proxy_reader import read_header

LIMIT = 4096

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
ports = st.integers(0, 65_535)
v4 = st.tuples(st.ip_addresses(v=4), ports)
v6 = st.tuples(st.ip_addresses(v=6), ports)
names = st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=107)
texts = st.text(max_size=40)

tls = st.builds(
    ProxyProtocolSSLTLV,
    has_ssl=st.booleans(),
    has_cert_conn=st.booleans(),
    has_cert_sess=st.booleans(),
    verified=st.booleans(),
    version=st.sampled_from(["TLSv1.2", "TLSv1.3"]),
    cipher=st.just("TLS_AES_128_GCM_SHA256"),
    cn=texts,
)
attributes = st.builds(
    ProxyProtocolTLV,
    alpn=st.none() | st.sampled_from([b"h2", b"http/1.1"]),
    authority=st.none() | st.text("abc.xyz-", min_size=1, max_size=40),
    unique_id=st.none() | st.binary(min_size=1, max_size=128),
    ssl=st.none() | tls,
)
stream = socket.SOCK_STREAM
results = st.one_of(
    st.builds(lambda a, b, t: ProxyResultIPv4(a, b, protocol=stream, tlv=t), v4, v4, attributes),
    st.builds(lambda a, b, t: ProxyResultIPv6(a, b, protocol=stream, tlv=t), v6, v6, attributes),
    st.builds(
        lambda a, b, t: ProxyResultUnix(a, b, protocol=stream, tlv=t), names, names, attributes
    ),
    st.builds(lambda t: ProxyResultLocal(tlv=t), attributes),
)


def plain(address: Any) -> Any:
    """What the reference calls an address, as the socket module gives it."""
    if not isinstance(address, tuple):
        return address
    host, port = address
    return str(getattr(host, "ipv4_mapped", None) or host), port


def read(data: bytes, limit: int = LIMIT) -> ProxyInfo:
    found = read_header(data, limit)
    assert found is not None and found.size == len(data)
    return found.info


def refused(data: bytes) -> str | None:
    try:
        read_header(data, LIMIT)
    except BadHeader as exc:
        return str(exc)
    return None


def agree(info: ProxyInfo, result: ProxyResult) -> None:
    """Both read the same out of a header."""
    if isinstance(result, ProxyResultLocal | ProxyResultUnknown):
        assert (info.client, info.server, info.tls) == (None, None, None)
        return
    assert info.client == plain(result.source)
    assert info.server == plain(result.dest)
    tlv = result.tlv
    assert info.unique_id == (tlv.unique_id or None)
    assert info.alpn == (tlv.alpn.decode() if tlv.alpn else None)
    assert info.server_name == tlv.authority
    if not tlv.ssl.has_ssl:
        assert info.tls is None
        return
    assert info.tls is not None
    assert (info.tls.version, info.tls.cipher) == (tlv.ssl.version, tlv.ssl.cipher)
    shown = tlv.ssl.verified and (tlv.ssl.has_cert_conn or tlv.ssl.has_cert_sess)
    expected = {"subject": ((("commonName", tlv.ssl.cn),),)} if shown else None
    assert info.tls.peer_certificate == expected


@given(results)
def test_what_the_reference_writes_means_the_same_here(result):
    agree(read(ProxyProtocolV2().pack(result)), result)


@given(st.one_of(st.builds(ProxyResultIPv4, v4, v4), st.builds(ProxyResultIPv6, v6, v6)))
def test_what_the_reference_writes_as_a_line_means_the_same_here(result):
    agree(read(ProxyProtocolV1().pack(result)), result)


@given(results, st.data())
def test_what_is_read_of_a_damaged_header_the_reference_reads_too(result, data):
    header = bytearray(ProxyProtocolV2().pack(result))
    for _ in range(data.draw(st.integers(1, 3))):
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(header)
    try:
        found = read_header(damaged, LIMIT)
    except BadHeader:
        return
    if found is None or not found.info.names_client:
        return
    try:
        expected = ProxyProtocolV2().unpack(damaged[: found.size])
    except UnicodeDecodeError:  # It takes nothing but ASCII in paths.
        return
    assert not isinstance(expected, ProxyResultLocal | ProxyResultUnknown)
    assert (found.info.client, found.info.server) == (plain(expected.source), plain(expected.dest))


@given(st.binary(max_size=120).map(lambda rest: b"PROXY " + rest) | st.binary(max_size=300))
def test_nothing_but_a_bad_header_comes_out_of_any_bytes(data):
    refused(data)
    refused(SIGNATURE + data)


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n",
        b"PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n",
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN and what nobody reads\r\n",
        ProxyProtocolV2().pack(
            ProxyResultIPv4(
                (IPv4Address("198.51.100.7"), 4711),
                (IPv4Address("203.0.113.1"), 443),
                protocol=stream,
                tlv=ProxyProtocolTLV(alpn=b"h2", unique_id=b"x" * 128),
            )
        ),
    ],
)
def test_a_header_is_whole_with_its_last_byte_and_takes_nothing_behind_it(header):
    assert [read_header(header[:size], LIMIT) for size in range(1, len(header))] == (
        [None] * (len(header) - 1)
    )
    found = read_header(header, LIMIT)
    assert found is not None and found.size == len(header)
    assert read_header(header + b"GET / HTTP/1.1\r\n", LIMIT) == found


def test_the_longest_line_has_107_bytes():
    line = b"PROXY UNKNOWN " + b"f" * (107 - 16) + b"\r\n"
    assert len(line) == 107
    assert read(line).client is None
    longer = line[:-2] + b"f\r\n"
    assert refused(longer) == "a PROXY line that does not end within 107 bytes"
    assert refused(longer[:107]) == refused(longer)
    assert refused(longer[:106]) is None


def test_the_header_of_version_2_has_a_bound():
    padding = LIMIT - 16 - 12 - 3
    block = bytes(12) + b"\x04" + padding.to_bytes(2, "big") + bytes(padding)
    header = SIGNATURE + b"\x21\x11" + len(block).to_bytes(2, "big") + block
    assert len(header) == LIMIT
    assert read(header).client == ("0.0.0.0", 0)  # nothing is bound
    with pytest.raises(BadHeader, match=r"4096 bytes; at most 4095 \(limits.proxy_header\)"):
        read_header(header[:16], LIMIT - 1)  # It is known by its first bytes.


def test_v4_addresses_in_v6_are_told_as_v4():
    line = b"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:203.0.113.1 1 2\r\n"
    assert read(line).client == ("198.51.100.7", 1)


def test_a_name_that_the_proxy_has_not_verified_is_no_certificate():
    for verify, client, shown in ((0, 3, True), (1, 3, False), (0, 1, False), (0, 5, True)):
        value = bytes([client]) + verify.to_bytes(4, "big") + b"\x22\x00\x03ann"
        block = bytes(12) + b"\x20" + len(value).to_bytes(2, "big") + value
        info = read(SIGNATURE + b"\x21\x11" + len(block).to_bytes(2, "big") + block)
        assert info.tls is not None
        expected = {"subject": ((("commonName", "ann"),),)} if shown else None
        assert info.tls.peer_certificate == expected


@given(st.binary(max_size=300))
def test_the_checksum_is_that_of_the_reference(data):
    assert crc32c(data) == reference(data)


def test_the_checksum_of_the_standard():
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720 appendix B.4
    assert crc32c(b"123456789") == 0xE3069283


def test_a_wrong_checksum_is_refused():
    result = ProxyResultIPv6((IPv6Address(1), 1), (IPv6Address(2), 2), protocol=stream)
    header = bytearray(ProxyProtocolV2().pack(result))
    assert b"\x03\x00\x04" in header
    header[20] ^= 1
    assert refused(bytes(header)) == "a PROXY header whose checksum is wrong"
