/**
 * memcached's slab classes: which one an item of a size belongs to. Memory is
 * not cut into slabs here; the classes are for the replies that name them.
 *
 * @module
 */

const PAGE = 1024 * 1024;
const LARGEST_CHUNK = PAGE / 2;
const FACTOR = 1.25;
const FIRST_CHUNK = 96;

/** The size in bytes of each class's chunks; class 1 comes first. */
export const CHUNK_SIZES: readonly number[] = chunkSizes();

/** Number of the class that an item of so many bytes belongs to. */
export function slabClass(bytes: number): number {
  const index = CHUNK_SIZES.findIndex((size) => bytes <= size);
  return index === -1 ? CHUNK_SIZES.length : index + 1;
}

/** How many chunks of a class fit into a page. */
export function chunksPerPage(slab: number): number {
  return Math.floor(PAGE / CHUNK_SIZES[slab - 1]);
}

function chunkSizes(): number[] {
  const sizes: number[] = [];
  for (let size = FIRST_CHUNK; size <= LARGEST_CHUNK / FACTOR;) {
    sizes.push(size);
    size = Math.ceil(Math.floor(size * FACTOR) / 8) * 8;
  }
  sizes.push(LARGEST_CHUNK);
  return sizes;
}
