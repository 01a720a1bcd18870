// A guest that looks at its world through what its engine offers: QuickJS and StarlingMonkey alike.
const text = 'grüße\n'.repeat(3);

const probes = {
  write: () => { console.log(text); console.error(text.toUpperCase()); return 'written'; },
  flood: () => { for (let i = 0; i < 100; i++) console.log('x'.repeat(1000)); return 'written'; },
  year: () => String(new Date().getUTCFullYear() >= 2024),
  now: () => String(Date.now() > 1700000000000),
  zone: () => String(new Date(0).getHours()),
  ordered: () => {
    const times = Array.from({ length: 100 }, () => Date.now());
    return String(times.every((time, at) => at === 0 || times[at - 1] <= time));
  },
  different: () => String(new Set(Array.from({ length: 50 }, () => Math.random())).size),
  // What a workflow may see of time and chance.
  history: () => JSON.stringify([Date.now() * 1e6, Date.now() * 1e6, String(Math.random())]),
  throws: () => { throw new Error('as ordered'); },
};

export const probe = {
  look: (what) => probes[what](),
};
