/**
 * Bytes that a value may keep: telling them apart, and copying them out of a
 * buffer that is about to be reused.
 *
 * @module
 */

/** Bytes of one slab. */
const SLAB_SIZE = 16 * 1024;
/** Longest value that is put into a slab; longer ones get their own memory. */
const SLAB_LIMIT = 1024;
/** Up to here a loop beats `set`, which needs a view of its source first. */
const LOOP_LIMIT = 48;

let slab: Uint8Array | undefined;
let used = 0;

/**
 * Says whether a value is a `Uint8Array`, of whatever realm, or a subclass of
 * it; the other views are none.
 */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array ||
    (ArrayBuffer.isView(value) &&
      Object.prototype.toString.call(value) === "[object Uint8Array]");
}

/** Copies `bytes[start..end)` into memory that nothing else refers to. */
export function ownCopy(
  bytes: Uint8Array,
  start: number,
  end: number,
): Uint8Array {
  const copy = new Uint8Array(end - start);
  copy.set(bytes.subarray(start, end));
  return copy;
}

/**
 * Copies `bytes[start..end)`; short copies share their memory with others.
 *
 * An `ArrayBuffer` for each short value costs several times the copy itself.
 */
export function copyOut(
  bytes: Uint8Array,
  start: number,
  end: number,
): Uint8Array {
  const length = end - start;
  if (length === 0 || length > SLAB_LIMIT) return ownCopy(bytes, start, end);
  // A caller can transfer the buffer of a value away: then the slab is empty,
  // and the next value starts a new one.
  if (slab === undefined || used + length > slab.length) {
    slab = new Uint8Array(SLAB_SIZE);
    used = 0;
  }
  const at = used;
  if (length <= LOOP_LIMIT) {
    for (let i = 0; i < length; i++) slab[at + i] = bytes[start + i];
  } else {
    slab.set(bytes.subarray(start, end), at);
  }
  // Aligned to 8, so that a value can be looked at through any typed array.
  used = (at + length + 7) & ~7;
  return slab.subarray(at, at + length);
}
