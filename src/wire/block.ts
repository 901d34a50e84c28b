/**
 * Memory for values that do not come in one piece.
 *
 * Fresh memory costs more than the value's bytes do: the system clears it page
 * by page. Where nobody keeps the bytes, the same piece serves one value after
 * another. One piece for all connections is enough: it is back before another
 * reply is read.
 *
 * @module
 */

/** Largest piece that is kept, in bytes. */
const KEPT = 2 * 1024 * 1024;

/** Pieces are a multiple of this. */
const STEP = 64 * 1024;

let spare: Uint8Array | undefined;

/** Lends memory; its content is arbitrary. */
export function borrowBlock(size: number): Uint8Array {
  if (size > KEPT) return new Uint8Array(size);
  const piece = spare !== undefined && spare.length >= size
    ? spare
    : new Uint8Array(Math.ceil(size / STEP) * STEP);
  spare = undefined;
  return piece.subarray(0, size);
}

/** Takes memory back, which is valid until some is lent again. */
export function returnBlock(block: Uint8Array): void {
  const { buffer } = block;
  if (buffer.byteLength > KEPT) return;
  if (spare === undefined || spare.length < buffer.byteLength) {
    spare = new Uint8Array(buffer);
  }
}
