/**
 * What a full frame is made of, in bytes: an Ethernet header, which the kernel's shaper counts, and
 * an IP packet of 1500, of which IPv4 and TCP with timestamps have their part. The rest is payload
 * of TCP. What a program puts around its data in there (TLS records, messages) is its own affair, so
 * the bound is the same for all.
 */
export const frame = { ethernet: 14, mtu: 1_500, ipv4: 20, tcp: 20, timestamps: 12 } as const;

/** Which part of a shaped link's rate is payload, when all of its frames are full. */
export const payloadShare =
  (frame.mtu - frame.ipv4 - frame.tcp - frame.timestamps) / (frame.ethernet + frame.mtu);

/** How many copies of an image went over a link that carried so many bytes of frames. */
export const copiesOf = (wireBytes: number, imageBytes: number): number =>
  (wireBytes * payloadShare) / imageBytes;
