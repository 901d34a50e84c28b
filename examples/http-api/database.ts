/**
 * What stands for a database: it is slow, and counts what it is asked.
 *
 * @module
 */

/** What the API is about. */
export interface Product {
  readonly id: number;
  readonly name: string;
  readonly price: number;
}

const QUERY_TIME = 100;

const products = new Map<number, Product>([
  [1, { id: 1, name: "Tea", price: 3.5 }],
  [2, { id: 2, name: "Coffee", price: 4 }],
]);

let count = 0;

/** How many queries there have been. */
export function queries(): number {
  return count;
}

async function query(): Promise<void> {
  count++;
  await new Promise((resolve) => setTimeout(resolve, QUERY_TIME));
}

/** Reads a product; `null` if there is none. */
export async function findProduct(id: number): Promise<Product | null> {
  await query();
  return products.get(id) ?? null;
}

/** Changes the price of a product; `null` if there is none. */
export async function setPrice(
  id: number,
  price: number,
): Promise<Product | null> {
  await query();
  const product = products.get(id);
  if (product === undefined) return null;
  const changed = { ...product, price };
  products.set(id, changed);
  return changed;
}
