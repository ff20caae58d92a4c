/** What is the same for all charts: SVG that suits light and dark pages. */
export const style = `
    text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
    .title { font-size: 17px; font-weight: 600 }
    .group { font-weight: 600 }
    .soft { fill: #59636e }
    .page { fill: #ffffff }
    .bar { fill: #afb8c1 }
    .ours { fill: #0969da }
    .line { stroke: #1f2328; stroke-width: 1.25; fill: none }
    .axis { stroke: #d1d9e0; stroke-width: 1; fill: none }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .soft { fill: #9198a1 }
      .page { fill: #0d1117 }
      .bar { fill: #59636e }
      .ours { fill: #1f6feb }
      .line { stroke: #f0f6fc }
      .axis { stroke: #3d444d }
    }`;

/** To a tenth of a pixel. */
export const round = (value: number): number => Math.round(value * 10) / 10;

export function drawText(
  x: number,
  y: number,
  content: string,
  name: string,
  anchor = 'start',
): string {
  const classes = name === '' ? '' : ` class="${name}"`;
  const anchored = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text x="${round(x)}" y="${round(y)}"${classes}${anchored}>${escaped(content)}</text>`;
}

const entities: Readonly<Record<string, string>> = {
  '&': 'amp',
  '<': 'lt',
  '>': 'gt',
  '"': 'quot',
};

export const escaped = (content: string): string =>
  content.replace(/[&<>"]/g, (character) => `&${entities[character] ?? ''};`);
