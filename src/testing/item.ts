/**
 * A stored item and its size.
 *
 * @module
 */

/** What the server keeps for a key. Keys are latin1 texts. */
export interface StoredItem {
  /** The key as it was stored, decoded where it came as base64. */
  readonly key: string;
  /** The value. */
  data: Uint8Array;
  /** The client's flags. */
  readonly flags: number;
  /** Whether the key came as base64. */
  readonly binaryKey: boolean;
  /** The second of the server's clock it ends at, 0 for never. */
  exptime: number;
  /** Its version, 0 before it is stored. */
  cas: bigint;
  /** The second it was stored at: what flush_all goes by. */
  storedAt: number;
  /** The second it was last fetched, or stored, at. */
  accessedAt: number;
  /** Whether it has been fetched. */
  fetched: boolean;
  /** Whether it was invalidated by a meta delete with the flag I. */
  stale: boolean;
  /** Whether a client was told to recache it. */
  tokenSent: boolean;
}

/** Makes an item that is not yet stored. */
export function newItem(
  key: string,
  data: Uint8Array,
  flags = 0,
  exptime = 0,
  binaryKey = false,
): StoredItem {
  return {
    key,
    data,
    flags,
    binaryKey,
    exptime,
    cas: 0n,
    storedAt: 0,
    accessedAt: 0,
    fetched: false,
    stale: false,
    tokenSent: false,
  };
}

/**
 * Bytes that memcached needs for an item: header, version, flags unless 0, key
 * and value with their terminators.
 */
export function itemSize(
  keyLength: number,
  dataLength: number,
  flags: number,
  cas: boolean,
): number {
  return 48 + (cas ? 8 : 0) + (flags === 0 ? 0 : 4) + keyLength + 1 +
    dataLength + 2;
}
