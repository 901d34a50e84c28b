/**
 * An HTTP API whose answers come from memcached, and from the database when
 * memcached is down:
 *
 *     deno run --allow-net main.ts [memcached] [port] [timeout]
 *
 * @module
 */
import { Client, type GetOrSetOptions } from "@x/memcache";
import { findProduct, type Product, queries, setPrice } from "./database.ts";

const [memcached = "localhost:11211", port = "8000", timeout = "250"] =
  Deno.args;

const cache = new Client(memcached, {
  keyPrefix: "shop:",
  // What a request can spare for a cache, in milliseconds.
  timeout: Number(timeout),
  // A read that fails is a miss: the database answers.
  errorsAsMisses: true,
  onError: (error) => console.error(`cache: ${error.code} ${error.server}`),
});

/** How long products are kept, in seconds. */
const PRODUCTS: GetOrSetOptions = {
  ttl: 60,
  // From then on one request loads anew, all others get what there is …
  refreshAhead: 10,
  // … and so it is for products that nobody has asked for meanwhile.
  staleFor: 30,
  // Products that do not exist are asked for, too.
  negativeTtl: 5,
  // What was stored at the same time does not end at the same time.
  jitter: 0.1,
};

function readProduct(id: number): Promise<Product | null> {
  return cache.getOrSet(`product:${id}`, () => findProduct(id), PRODUCTS);
}

/** First the database, then the cache: a load that has begun is not stored. */
async function writePrice(id: number, price: number): Promise<Product | null> {
  const product = await setPrice(id, price);
  try {
    await cache.delete(`product:${id}`);
  } catch {
    // The price has changed all the same. If memcached keeps the old one and
    // comes back, readers see it until its ttl is over.
  }
  return product;
}

/** The price in the body of a request; `undefined` if there is none. */
async function priceOf(request: Request): Promise<number | undefined> {
  const body: unknown = await request.json().catch(() => undefined);
  if (typeof body !== "object" || body === null || !("price" in body)) return;
  const { price } = body;
  return typeof price === "number" && price >= 0 ? price : undefined;
}

function fail(status: number, error: string): Response {
  return Response.json({ error }, { status });
}

async function answerProduct(request: Request, id: number): Promise<Response> {
  let product: Product | null;
  switch (request.method) {
    case "GET":
      product = await readProduct(id);
      break;
    case "PUT": {
      const price = await priceOf(request);
      if (price === undefined) return fail(400, "price must be a number");
      product = await writePrice(id, price);
      break;
    }
    default:
      return fail(405, "GET or PUT");
  }
  return product === null
    ? fail(404, "no such product")
    : Response.json(product);
}

/** A cache that is down makes the API slow, not ill: the status is 200. */
async function answerHealth(): Promise<Response> {
  const cached = await cache.version().then(() => "up", () => "down");
  return Response.json({ memcached: cached, queries: queries() });
}

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/health") return await answerHealth();
  const [, id] = /^\/products\/(\d{1,9})$/.exec(pathname) ?? [];
  if (id === undefined) return fail(404, "no such page");
  return await answerProduct(request, Number(id));
}

const server = Deno.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  onListen: ({ port }) => console.log(`listening on http://127.0.0.1:${port}`),
  onError: (error) => {
    console.error(error);
    return fail(500, "something went wrong");
  },
}, answer);

// What has been asked is answered, what comes now is refused; then the last
// connection is closed, and the program ends by itself.
Deno.addSignalListener("SIGTERM", async () => {
  await server.shutdown();
  await cache.close();
});
