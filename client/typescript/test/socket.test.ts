import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { socketPath } from "livehandle";

const NAMES = ["LIVEHANDLE_SOCKET", "LIVEHANDLE_INSTANCE", "XDG_RUNTIME_DIR", "TMPDIR"];
let directory: string;

before(() => (directory = mkdtempSync(join(tmpdir(), "lh-"))));
after(() => rmSync(directory, { recursive: true }));
beforeEach(() => {
  for (const name of NAMES) delete process.env[name];
  process.env["XDG_RUNTIME_DIR"] = process.env["TMPDIR"] = directory;
});

test("an argument comes before the environment, and that before the runtime directory", () => {
  assert.equal(socketPath(), `${directory}/livehandle/default.sock`);
  process.env["LIVEHANDLE_INSTANCE"] = "a";
  assert.equal(socketPath(), `${directory}/livehandle/a.sock`);
  assert.equal(socketPath(undefined, "b"), `${directory}/livehandle/b.sock`);
  process.env["LIVEHANDLE_SOCKET"] = "/run/c";
  assert.equal(socketPath(undefined, "b"), "/run/c");
  assert.equal(socketPath("/run/d"), "/run/d");
  assert.equal(socketPath("e"), join(process.cwd(), "e"));
});

test("a runtime directory that others can look into is not used", () => {
  const open = join(directory, "open");
  mkdirSync(open);
  chmodSync(open, 0o755);
  process.env["XDG_RUNTIME_DIR"] = open;
  assert.ok(!socketPath().startsWith(open));
  process.env["XDG_RUNTIME_DIR"] = "relative";
  assert.ok(!socketPath().includes("relative"));
});

test("a directory for another user's login is not used, nor one in /tmp that is open", () => {
  const own = process.geteuid!;
  process.geteuid = () => 4242;
  try {
    assert.equal(socketPath(), `${directory}/runtime-4242/livehandle/default.sock`);
    mkdirSync(join(directory, "runtime-4242"));
    assert.throws(() => socketPath(), { name: "config.invalid", message: /is open to others/ });
    process.env["XDG_RUNTIME_DIR"] = join(directory, "later"); // the daemon will make it
    assert.equal(socketPath(), `${directory}/later/livehandle/default.sock`);
  } finally {
    process.geteuid = own;
  }
});

for (const instance of [".", "..", "a/b", "a b", "a\n", "x".repeat(65)]) {
  test(`${JSON.stringify(instance)} is no instance`, () => {
    assert.throws(() => socketPath(undefined, instance), { name: "config.invalid" });
  });
}

test("a path longer than the kernel takes is refused with the limit", () => {
  const path = `/${"é".repeat(53)}`;
  assert.equal(socketPath(path), path);
  assert.throws(() => socketPath(`${path}x`), { name: "config.invalid", message: /108.*107/ });
});
