/**
 * A program with sessions that are kept in memcached: it may be started anew,
 * and there may be many of it.
 *
 *     SESSION_SECRET=… PASSWORD=… node main.ts [memcached] [port] [timeout]
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { Client, MemcacheError } from "@x/memcache";
import { MemcacheStore } from "@x/memcache/express-session";
import express, {
  type NextFunction,
  type Request,
  type Response,
} from "express";
import session from "express-session";

/** What is kept of a visitor. */
interface Visit {
  user?: string;
  views?: number;
}

function visitOf(request: Request): Request["session"] & Visit {
  return request.session;
}

const [, , memcached = "localhost:11211", port = "8002", timeout = "500"] =
  process.argv;
/** Seconds that a session lives when nobody uses it. */
const ttl = Number(process.env.SESSION_TTL ?? 1800);

function secret(name: string): string {
  const value = process.env[name];
  if (value) return value;
  console.error(`Cannot start: ${name} is not set`);
  process.exit(2);
}

/** New sessions are signed with the first one; those of the others still count. */
const secrets = secret("SESSION_SECRET").split(",");
const password = hash(secret("PASSWORD"));

function hash(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

const client = new Client(memcached, { timeout: Number(timeout) });
const app = express();

// Before the sessions: whoever watches the program has none.
app.get("/health", async (_request: Request, response: Response) => {
  const state = await client.version().then(() => "up", () => "down");
  response.json({ memcached: state });
});

app.use(express.urlencoded());
app.use(session({
  store: new MemcacheStore(session, client, { prefix: "shop:session:" }),
  secret: secrets,
  name: "sid",
  // Only what has changed is stored; the others are touched.
  resave: false,
  // Who is not logged in has no session, and no cookie.
  saveUninitialized: false,
  // Each answer begins the lifetime anew, also in the browser.
  rolling: true,
  cookie: { maxAge: ttl * 1000, sameSite: "lax", secure: "auto" },
}));

app.post(
  "/login",
  (request: Request, response: Response, next: NextFunction) => {
    const { user, password: given } = request.body ?? {};
    if (
      typeof user !== "string" || typeof given !== "string" ||
      !timingSafeEqual(hash(given), password)
    ) {
      response.status(401).json({ error: "wrong name or password" });
      return;
    }
    // A new id: one that somebody has slipped to the user is worth nothing.
    request.session.regenerate((error: unknown) => {
      if (error) return next(error);
      visitOf(request).user = user;
      response.json({ user });
    });
  },
);

app.get("/", (request: Request, response: Response) => {
  const visit = visitOf(request);
  const { user } = visit;
  if (user === undefined) {
    response.status(401).json({ error: "not logged in" });
    return;
  }
  const views = visit.views = (visit.views ?? 0) + 1;
  response.json({ user, views });
});

app.post(
  "/logout",
  (request: Request, response: Response, next: NextFunction) => {
    request.session.destroy((error: unknown) => {
      if (error) return next(error);
      response.clearCookie("sid").json({ user: null });
    });
  },
);

// Nobody is logged out because memcached is down: they are asked to come back.
app.use(answerOutage);

function answerOutage(
  error: unknown,
  _request: Request,
  response: Response,
  next: NextFunction,
): void {
  if (!(error instanceof MemcacheError)) return next(error);
  console.error(`sessions: ${error.code} ${error.server}`);
  response.status(503).set("retry-after", "5").json({ error: "no sessions" });
}

const server = app.listen(Number(port), "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  console.log(`listening on http://127.0.0.1:${port}`);
});

process.on("SIGTERM", () => {
  // What has been asked is answered first.
  server.close(() => client.close());
});
