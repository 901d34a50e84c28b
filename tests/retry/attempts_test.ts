/**
 * How often and how long a `RetryingClient` tries: delays, deadlines, aborts, and
 * the budget.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheTimeoutError,
  type Retry,
  RetryingClient,
  type RetryOptions,
} from "@x/memcache";
import { FakeTime } from "../_fake_time.ts";
import { test } from "../_runtime.ts";
import { scripted } from "../_scripted_client.ts";
import { rejects } from "../conformance/stage.ts";
import { lost, over, tried, unsent } from "./_tried.ts";

test("RetryingClient makes `attempts` attempts", async () => {
  const errors = Array.from(
    { length: 6 },
    (_, i) => new MemcacheConnectionError(`failure ${i + 1}`),
  );
  for (const attempts of [undefined, 1, 2, 3, 5]) {
    const { retrying, calls } = over({ attempts }, ...errors);
    const expected = attempts ?? 2;
    const error = await tried(retrying.get("key"));
    assertEquals(error, `!MemcacheConnectionError: failure ${expected}`);
    assertEquals(calls.length, expected);
  }
  const { retrying, calls } = over({ attempts: 5 }, ...errors.slice(3), 7);
  assertEquals(await retrying.get("key"), 7);
  assertEquals(calls.length, 4);
});

test("RetryingClient waits between attempts", () =>
  FakeTime.with(async (time) => {
    const asked: number[] = [];
    const delays: [RetryOptions["retryDelay"], number[]][] = [
      [undefined, [0, 0]],
      [0, [0, 0]],
      [250, [250, 250]],
      [(attempt) => {
        asked.push(attempt);
        return attempt * 10;
      }, [10, 20]],
    ];
    for (const [retryDelay, expected] of delays) {
      const retries: number[] = [];
      const { retrying, calls } = over(
        {
          attempts: 3,
          retryDelay,
          onRetry: (retry) => retries.push(retry.delay),
        },
        lost(),
        lost(),
        "value",
      );
      const start = time.now;
      const call = tried(retrying.get("key"));
      const at: number[] = [];
      for (let i = 0; i < 3; i++) {
        await time.settle();
        if (time.timers > 0) {
          assertEquals(time.next, expected[calls.length - 1]);
          await time.tick(expected[calls.length - 1] - 1);
          const before = calls.length;
          await time.tick(1);
          assertEquals(calls.length, before + 1);
        }
        at.push(time.now - start);
      }
      assertEquals(await call, "value");
      assertEquals(retries, expected);
      assertEquals(at.at(-1), expected[0] + expected[1]);
    }
    assertEquals(asked, [1, 2]);
  }));

test("RetryingClient refuses a retryDelay that gives no delay", async () => {
  for (const bad of [NaN, -1, Infinity, undefined, "5"]) {
    const { retrying, calls } = over(
      { retryDelay: () => bad as number },
      lost(),
    );
    const error = await rejects(
      () => retrying.get("key"),
      MemcacheIllegalInputError,
    );
    assertEquals(String(error.cause), String(lost()));
    assertEquals(calls.length, 1);
  }
  const thrown = new RangeError("mine");
  const { retrying } = over({
    retryDelay: () => {
      throw thrown;
    },
  }, lost());
  assertStrictEquals(
    await rejects(() => retrying.get("k"), RangeError),
    thrown,
  );
});

test("RetryingClient takes the timeout of a call for all its attempts", () =>
  FakeTime.with(async (time) => {
    // Each attempt takes 30 ms.
    const slow = () => {
      time.now += 30;
      return lost();
    };
    const { retrying, calls } = over(
      { attempts: 9, retryDelay: 50 },
      ...[slow, slow, slow, slow],
    );
    const options = { timeout: 200, default: 5 };
    const call = tried(retrying.get("key", options));
    await time.tick(1000);
    // At 0, 80 and 160; the next would be at 240.
    assertEquals(await call, `!${lost()}`);
    assertEquals(calls.map(({ args }) => args), [
      ["key", { timeout: 200, default: 5 }],
      ["key", { timeout: 120, default: 5 }],
      ["key", { timeout: 40, default: 5 }],
    ]);
    assertStrictEquals(calls[0].args[1], options);
    assertEquals(options, { timeout: 200, default: 5 });
  }));

test("RetryingClient fails at once when the next attempt would be too late", () =>
  FakeTime.with(async (time) => {
    for (const [timeout, waits] of [[50, false], [51, true]] as const) {
      const { retrying } = over({ retryDelay: 50 }, lost());
      let settled = false;
      const call = tried(retrying.get("key", { timeout }))
        .finally(() => settled = true);
      await time.settle();
      assertEquals(settled, !waits);
      await time.tick(50);
      assertEquals(await call, waits ? undefined : `!${lost()}`);
    }
    // A timer that rings late: no time is left, and 0 would mean no limit.
    const { retrying, calls } = over({ retryDelay: 50 }, lost());
    const call = tried(retrying.get("key", { timeout: 60 }));
    await time.settle();
    time.now += 70;
    await time.tick(0);
    assertEquals(await call, `!${lost()}`);
    assertEquals(calls.length, 1);
  }));

test("RetryingClient leaves options alone that set no deadline", async () => {
  const given = [undefined, {}, { timeout: 0 }, { noreply: false }];
  for (const options of given) {
    const { retrying, calls } = over({}, lost());
    await retrying.set("key", 1, options);
    assertEquals(calls.length, 2);
    for (const { args } of calls) {
      assertEquals(args.length, 3);
      assertStrictEquals(args[2], options);
    }
  }
});

test("RetryingClient ends with the reason of an abort", () =>
  FakeTime.with(async (time) => {
    const reason = new Error("enough");
    // Between two attempts.
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = over({ retryDelay: 1000 }, lost());
    const call = rejects(() => waiting.retrying.get("key", { signal }), Error);
    await time.tick(999);
    assertEquals(time.timers, 1);
    controller.abort(reason);
    assertStrictEquals(await call, reason);
    assertEquals(time.timers, 0);
    assertEquals(waiting.calls.length, 1);

    // During an attempt, whatever the attempt then fails with.
    for (const failure of [reason, lost(), unsent()]) {
      const controller = new AbortController();
      const { retrying, calls } = over({ attempts: 3 }, () => {
        controller.abort(reason);
        return failure;
      });
      const call = retrying.get("key", { signal: controller.signal });
      assertStrictEquals(await rejects(() => call, Error), reason);
      assertEquals(calls.length, 1);
    }

    // A reason that looks like an error which may be gone the next time.
    const timedOut = new MemcacheTimeoutError("not ours", { sent: false });
    const own = new AbortController();
    own.abort(timedOut);
    const { retrying, calls } = over({}, timedOut);
    const error = await rejects(
      () => retrying.get("key", { signal: own.signal }),
      MemcacheTimeoutError,
    );
    assertStrictEquals(error, timedOut);
    assertEquals(calls.length, 1);
  }));

test("RetryingClient leaves no listener on a signal", () =>
  FakeTime.with(async (time) => {
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: unknown[]) => {
      listeners++;
      Reflect.apply(addEventListener, signal, args);
    };
    signal.removeEventListener = (...args: unknown[]) => {
      listeners--;
      Reflect.apply(removeEventListener, signal, args);
    };
    const { retrying } = over(
      { attempts: 3, retryDelay: 5 },
      ...[lost(), lost(), "value"],
    );
    const call = retrying.get("key", { signal });
    await time.tick(4);
    assertEquals(listeners, 1);
    await time.tick(10);
    assertEquals(await call, "value");
    assertEquals(listeners, 0);
  }));

test("RetryingClient.close() ends the waits between attempts", () =>
  FakeTime.with(async (time) => {
    for (const end of ["close", Symbol.asyncDispose] as const) {
      const closed = new MemcacheError("closed", { code: "ERR_CLIENT_CLOSED" });
      const { retrying, calls } = over(
        { retryDelay: 10_000, attempts: 9 },
        ...[lost(), lost(), undefined, closed, closed],
      );
      const waiting = [tried(retrying.get("a")), tried(retrying.get("b"))];
      await time.settle();
      assertEquals(time.timers, 2);
      await retrying[end]();
      assertEquals(await Promise.all(waiting), [`!${closed}`, `!${closed}`]);
      assertEquals(calls.map(({ method }) => method), [
        ...["get", "get", "close", "get", "get"],
      ]);
    }
  }));

test("RetryingClient.disconnect() fails what is pending", () =>
  FakeTime.with(async (time) => {
    let fail = (_error: Error): void => {};
    const { retrying, calls } = over(
      { retryDelay: 10_000, attempts: 9 },
      ...[lost(), () => new Promise((_, reject) => fail = reject), undefined],
      ...[lost(), "value"],
    );
    const waiting = tried(retrying.get("a"));
    await time.settle();
    const running = tried(retrying.get("b"));
    assertEquals(time.timers, 1);
    await retrying.disconnect();
    fail(lost());
    assertEquals([await waiting, await running], [`!${lost()}`, `!${lost()}`]);
    assertEquals(time.timers, 0);
    assertEquals(calls.map(({ args: [key] }) => key), ["a", "b", undefined]);

    // What begins later is attempted again.
    const later = tried(retrying.get("c"));
    await time.tick(10_000);
    assertEquals(await later, "value");
  }));

test("RetryingClient keeps retries below their share of the calls", () =>
  FakeTime.with(async (time) => {
    const outage = async (options: RetryOptions, calls: number) => {
      const script = scripted();
      let attempts = 0;
      script.client.get = () => {
        attempts++;
        return Promise.reject(lost());
      };
      const retrying = new RetryingClient(script.client, options);
      const batch = async (count: number) => {
        attempts = 0;
        for (let i = 0; i < count; i++) await tried(retrying.get("key"));
        return attempts - count;
      };
      return { first: await batch(calls), batch };
    };
    // 100 are there at first, and each call brings 0.2.
    const usual = await outage({}, 100);
    assertEquals(usual.first, 100);
    const rest = await usual.batch(1000);
    assert(Math.abs(rest - 220) <= 1, `${rest}`);
    const few = await usual.batch(10);
    assert(few === 2 || few === 3, `${few}`);
    // 10 a second come by themselves, up to 100.
    await time.tick(1000);
    const refilled = await usual.batch(20);
    assert(Math.abs(refilled - 14) <= 1, `${refilled}`);
    await time.tick(3_600_000);
    const full = await usual.batch(400);
    assert(Math.abs(full - 180) <= 1, `${full}`);

    const none = await outage({ retryBudget: 0 }, 500);
    assertEquals(none.first, 100);
    const all = await outage({ retryBudget: Infinity, attempts: 4 }, 500);
    assertEquals(all.first, 1500);
    const one = await outage({ retryBudget: 1 }, 500);
    assertEquals(one.first, 500);
  }));

test("RetryingClient tells onRetry of every retry", async () => {
  const retries: Retry[] = [];
  const errors = [lost(), unsent()];
  const { retrying } = over(
    {
      attempts: 3,
      retryDelay: (attempt) => attempt - 1,
      onRetry: (retry) => {
        retries.push(retry);
        throw new Error("ignored");
      },
    },
    ...errors,
    true,
    lost(),
  );
  assertEquals(await retrying.set("key", 1), true);
  await tried(retrying.add("key", 1));
  assertEquals(retries, [
    { method: "set", attempt: 1, delay: 0, error: errors[0] },
    { method: "set", attempt: 2, delay: 1, error: errors[1] },
  ]);
});

test("RetryingClient rejects where a client throws", async () => {
  const { retrying, calls } = over({}, () => {
    throw new TypeError("at once");
  }, () => {
    throw unsent();
  }, "value");
  assertEquals(await tried(retrying.get("key")), "!TypeError: at once");
  assertEquals(await tried(retrying.get("key")), "value");
  assertEquals(calls.length, 3);
});
