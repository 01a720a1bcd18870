// A guest that reaches for folders and sockets through WASI's own interfaces: QuickJS and StarlingMonkey alike.
import { getDirectories } from 'wasi:filesystem/preopens@0.2.12';
import { instanceNetwork } from 'wasi:sockets/instance-network@0.2.12';
import { resolveAddresses } from 'wasi:sockets/ip-name-lookup@0.2.12';
import { createTcpSocket } from 'wasi:sockets/tcp-create-socket@0.2.12';
import { createUdpSocket } from 'wasi:sockets/udp-create-socket@0.2.12';

// QuickJS has its 64-bit integers as numbers, StarlingMonkey as BigInts.
const isQuick = typeof WebAssembly === 'undefined' && typeof URL === 'undefined';
const u64 = (value) => (isQuick ? value : BigInt(value));
const bytes = (text) => Uint8Array.from(text, (one) => one.charCodeAt(0));
const text = (list) => String.fromCharCode(...list);
const FOLLOW = { symlinkFollow: true };

function tried(work) {
  try {
    return String(work());
  } catch (error) {
    return String(error?.payload ?? error?.message ?? error);
  }
}

function root() {
  return getDirectories()[0][0];
}

function open(path, openFlags = {}, flags = { read: true }, pathFlags = FOLLOW) {
  return root().openAt(pathFlags, path, openFlags, flags);
}

function content(path) {
  return text(open(path).read(u64(1000), u64(0))[0]);
}

function names(folder) {
  const found = [];
  const entries = folder.readDirectory();
  for (let entry = entries.readDirectoryEntry(); entry; entry = entries.readDirectoryEntry()) found.push(entry.name);
  return found.sort().join(' ');
}

// All that can be done in a folder, and what came of it.
function files() {
  const folder = root();
  folder.createDirectoryAt('sub');
  const file = open('sub/a.txt', { create: true, exclusive: true }, { read: true, write: true });
  const found = [file.write(bytes('one\n'), u64(0)), content('sub/a.txt').length];
  const end = file.appendViaStream();
  end.blockingWriteAndFlush(bytes('two\n'));
  file.writeViaStream(u64(1)).blockingWriteAndFlush(bytes('N'));
  file.setSize(u64(6));
  file.sync();
  found.push(content('sub/a.txt'), file.stat().size, file.stat().type, file.getType());
  found.push(text(file.readViaStream(u64(2)).blockingRead(u64(100))));
  folder.renameAt('sub/a.txt', folder, 'b.txt');
  folder.removeDirectoryAt('sub');
  folder.symlinkAt('b.txt', 'here');
  folder.linkAt({}, 'b.txt', folder, 'c.txt');
  found.push(names(folder), content('here'), folder.readlinkAt('here'));
  found.push(open('c.txt').isSameObject(open('b.txt')), folder.statAt({}, 'here').type, folder.statAt(FOLLOW, 'here').type);
  for (const name of ['here', 'b.txt', 'c.txt']) folder.unlinkFileAt(name);
  return found.join(',');
}

// What is not there, not allowed or not what it is taken for.
function failures() {
  const folder = root();
  return [
    () => content('none'),
    () => content(''),
    () => content('../outside.txt'),
    () => content('/etc/passwd'),
    () => content('up'),
    () => content('loop'),
    () => open('plain.txt/x'),
    () => open('plain.txt', { directory: true }),
    () => open('plain.txt', { create: true, exclusive: true }),
    () => open('up', {}, { read: true }, {}),
    () => folder.createDirectoryAt('dir'),
    () => folder.removeDirectoryAt('dir'),
    () => folder.removeDirectoryAt('plain.txt'),
    () => folder.unlinkFileAt('dir'),
    () => folder.unlinkFileAt('none'),
    () => folder.readlinkAt('plain.txt'),
    () => folder.renameAt('none', folder, 'other'),
    () => folder.symlinkAt('/etc/passwd', 'mine'),
    () => open('plain.txt').write(bytes('x'), u64(0)),
    () => open('plain.txt').readDirectory(),
  ].map(tried).join(' ');
}

const probes = {
  files,
  failures,
  given: () => getDirectories().map(([, name]) => name).join(' '),
  tcp: () => createTcpSocket('ipv4'),
  udp: () => createUdpSocket('ipv6'),
  resolve: () => resolveAddresses(instanceNetwork(), 'localhost'),
};

export const probe = {
  look: (what) => tried(probes[what]),
};
