// Messages of all kinds and sizes, many of them like earlier ones: strings, and bytes in Buffers where there are any.

export function mixed(n, bytes = (array) => Buffer.from(array)) {
  let seed = 1;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  const list = [];
  for (let i = 0; i < n; i++) {
    switch (i % 8) {
      case 0: list.push(i % 3 ? "" : "ü€🐙"); break;
      case 1: list.push(bytes(Uint8Array.from({ length: random(3000) }, () => random(256)))); break;
      case 2: list.push(`${i} grüße 🐙 `.repeat(1 + random(2000))); break;
      case 3: list.push(bytes(new Uint8Array(random(50000)))); break;
      case 4: list.push(list[i - 2]); break;
      case 5: list.push(list[Math.max(0, i - 40)]); break;
      default:
        list.push(JSON.stringify({ symbol: `AB${random(20)}`, bid: random(10000) / 100, ask: random(10000) / 100, at: 1700000000 + i, venues: ["XETRA", "NYSE", "LSE"] }));
    }
  }
  return list;
}
