/** Charts as SVG files: lines, or stacked bars. Plain text, so that a change of a figure can be read. */
import type { Chart } from './result.ts';

const WIDTH = 720;
const HEIGHT = 380;
const LEFT = 70;
const RIGHT = 160;
const TOP = 44;
const BOTTOM = 52;
const TICKS = 5;
const COLORS = ['#2563eb', '#93c5fd', '#ea580c', '#fdba74', '#6b7280', '#16a34a', '#9333ea', '#db2777']; // prettier-ignore

export function chartSvg(chart: Chart): string {
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 24, chart.title, 'font-size="15" font-weight="bold"'),
    ...(chart.labels === undefined ? lineParts(chart) : barParts(chart, chart.labels)),
    ...chart.lines.flatMap(({ name }, index) => legend(name, index)),
    text(LEFT, TOP - 6, chart.yTitle, 'fill="#555"'),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, chart.xTitle, 'fill="#555" text-anchor="middle"'),
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

function barParts({ lines }: Chart, labels: readonly string[]): string[] {
  const totals = labels.map((_, x) =>
    lines.reduce((total, { points }) => total + (points[x]?.[1] ?? 0), 0),
  );
  const top = niceCeiling(Math.max(...totals));
  const slot = (WIDTH - LEFT - RIGHT) / labels.length;
  const width = slot * 0.6;
  const parts = yAxis(0, top, String);
  labels.forEach((label, x) => {
    const left = LEFT + slot * x + (slot - width) / 2;
    let below = 0;
    lines.forEach(({ points }, index) => {
      const value = points[x]?.[1] ?? 0;
      const y = yAt(below + value, 0, top);
      const height = yAt(below, 0, top) - y;
      below += value;
      parts.push(
        `<rect x="${fixed(left)}" y="${fixed(y)}" width="${fixed(width)}" height="${fixed(height)}" fill="${color(index)}"/>`,
      );
    });
    const middle = left + width / 2;
    parts.push(text(middle, yAt(below, 0, top) - 4, below.toFixed(1), 'text-anchor="middle"'));
    parts.push(text(middle, HEIGHT - BOTTOM + 16, label, 'text-anchor="middle"'));
  });
  return parts;
}

/** A logarithmic y axis: latencies lie decades apart. */
function lineParts({ lines }: Chart): string[] {
  const all = lines.flatMap(({ points }) => points);
  const xMax = niceCeiling(Math.max(...all.map(([x]) => x)));
  const ys = all.map(([, y]) => Math.log10(Math.max(1, y)));
  const low = Math.floor(Math.min(...ys));
  const high = Math.max(low + 1, Math.ceil(Math.max(...ys)));
  const xAt = (x: number): number => LEFT + (x / xMax) * (WIDTH - LEFT - RIGHT);
  const parts = yAxis(low, high, (power) => String(Number((10 ** power).toPrecision(2))));
  for (let tick = 0; tick <= TICKS; tick += 1) {
    const x = (xMax * tick) / TICKS;
    parts.push(text(xAt(x), HEIGHT - BOTTOM + 16, String(Number(x.toPrecision(3))), 'text-anchor="middle"')); // prettier-ignore
  }
  lines.forEach(({ points }, index) => {
    const path = points.map(
      ([x, y]) => `${fixed(xAt(x))},${fixed(yAt(Math.log10(Math.max(1, y)), low, high))}`,
    );
    parts.push(
      `<polyline points="${path.join(' ')}" fill="none" stroke="${color(index)}" stroke-width="2"/>`,
    );
  });
  return parts;
}

function yAxis(low: number, high: number, label: (value: number) => string): string[] {
  const steps = Number.isInteger(high - low) && high - low <= 8 && low !== 0 ? high - low : TICKS;
  return Array.from({ length: steps + 1 }, (_, step) => {
    const value = low + ((high - low) * step) / steps;
    const y = fixed(yAt(value, low, high));
    return (
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}" stroke="#e5e7eb"/>` +
      text(LEFT - 8, Number(y) + 4, label(Number(value.toPrecision(3))), 'text-anchor="end"')
    );
  });
}

function legend(name: string, index: number): string[] {
  const y = TOP + 12 + index * 20;
  const x = WIDTH - RIGHT + 14;
  return [
    `<rect x="${x}" y="${y - 10}" width="12" height="12" fill="${color(index)}"/>`,
    text(x + 18, y, name, ''),
  ];
}

const yAt = (value: number, low: number, high: number): number =>
  HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);

function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.5, 2, 3, 4, 5, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}

const color = (index: number): string => COLORS[index % COLORS.length] as string;
const fixed = (value: number): string => value.toFixed(1);

function text(x: number, y: number, content: string, attributes: string): string {
  const safe = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${safe}</text>`;
}
