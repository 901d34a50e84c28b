/**
 * Output memory, lent to a connection for the time of a write: an idle
 * connection holds none.
 *
 * @module
 */

/** Size of one piece, in bytes. */
const PIECE = 64 * 1024;

/** Pieces that are kept for the next borrower. */
const MAX_SPARE = 4;

const spare: Uint8Array[] = [];

/** Lends a piece of memory; its content is arbitrary. */
export function lendMemory(): Uint8Array {
  return spare.pop() ?? new Uint8Array(PIECE);
}

/** Takes a piece back. One that has grown is left to the garbage collector. */
export function returnMemory(piece: Uint8Array): void {
  if (piece.length === PIECE && spare.length < MAX_SPARE) spare.push(piece);
}
