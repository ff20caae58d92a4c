/**
 * The ways in which a peer of the tests can lie. Each is one departure from the protocol or from
 * the truth; in all else the peer behaves.
 *
 * - `none`: it tells the truth.
 * - `wrongBlocks`: every block it sends is wrong.
 * - `oneWrongBlockAPiece`: of each piece, the block it is asked for first is wrong.
 * - `wrongBlocksThenRejects`: one wrong block of each piece, and the rest of that piece rejected.
 * - `wrongHashes`: its merkle hashes are wrong.
 * - `wrongMetadata`: it sends an info dictionary of the right size and the wrong content.
 * - `hugeMetadataSize`: it offers an info dictionary of 2^52 bytes.
 * - `otherMetadataSize`: it offers one that is a byte longer than the right one.
 * - `endlessMetadata`: it offers 64 MiB of info dictionary and sends parts, asked for or not.
 * - `rejectsMetadata`: it offers the info dictionary and rejects each request for it.
 * - `silentMetadata`: it offers the info dictionary and never answers a request for it.
 * - `oversizeMessage`: it announces a message of 2^31 bytes.
 * - `garbage`: what it sends after the handshake are no messages.
 * - `unsolicitedBlocks`: it sends blocks that nobody asked for.
 * - `silent`: after the handshake it sends nothing.
 * - `noHandshake`: it accepts and sends nothing at all.
 * - `lateHandshake`: it sends its handshake when `release` is called.
 * - `slowLoris`: it sends its answers one byte at a time, with pauses.
 * - `requestFlood`: it asks for blocks without end and reads nothing.
 * - `rejectsEverything`: it says that it has all, and rejects each request.
 * - `requestsOutOfRange`: it asks for blocks that no piece has.
 * - `closesMidway`: it closes the connection after some blocks.
 * - `withholdsBlocks`: it takes requests for blocks and never answers them.
 * - `choked`: it says that it has all, and never unchokes.
 * - `inventsPieces`: it says that it has pieces that the image has not.
 * - `longerBlocks`: every block it sends is a byte longer than it was asked for.
 * - `oversizeBlocks`: the blocks it sends are larger than any may be.
 * - `otherOrder`: it answers requests in another order than it was asked. That is no lie.
 * - `haveFlood`, `extensionFlood`, `keepAliveFlood`, `cancelFlood`: it says the same, true or void,
 *   again and again.
 * - `hashFlood`, `metadataFlood`: it asks for the same again and again, and reads nothing.
 * - `largeRequests`: it asks for as many of the largest blocks as may wait, and reads nothing.
 * - `haveAllThenTooMany`: once it is asked for blocks, it says that it has pieces that the image has not.
 * - `flapping`: it chokes and unchokes at each request, which it then rejects.
 */
export const lies = [
  'none',
  'wrongBlocks',
  'oneWrongBlockAPiece',
  'wrongBlocksThenRejects',
  'wrongHashes',
  'wrongMetadata',
  'hugeMetadataSize',
  'otherMetadataSize',
  'endlessMetadata',
  'rejectsMetadata',
  'silentMetadata',
  'oversizeMessage',
  'garbage',
  'unsolicitedBlocks',
  'silent',
  'noHandshake',
  'lateHandshake',
  'slowLoris',
  'requestFlood',
  'rejectsEverything',
  'requestsOutOfRange',
  'closesMidway',
  'withholdsBlocks',
  'choked',
  'inventsPieces',
  'longerBlocks',
  'oversizeBlocks',
  'otherOrder',
  'haveFlood',
  'extensionFlood',
  'keepAliveFlood',
  'cancelFlood',
  'hashFlood',
  'metadataFlood',
  'largeRequests',
  'flapping',
  'haveAllThenTooMany',
] as const;

export type Lie = (typeof lies)[number];
