import type { Dashboard, Panel, Query, Variable } from './panel.ts';

/* Grafana's own form of a dashboard. */

const DATASOURCE = { type: 'prometheus', uid: '$datasource' };

/** The width of a dashboard. */
const COLUMNS = 24;
const PANEL_HEIGHT = 8;
const FIGURE_HEIGHT = 5;

const INSTANCE: Variable = { name: 'instance', label: 'Instance', metric: 'tributary_build_info' };

const toVariable = ({ name, label, metric }: Variable) => ({
  name,
  label,
  type: 'query',
  datasource: DATASOURCE,
  definition: `label_values(${metric}, ${name})`,
  query: { query: `label_values(${metric}, ${name})`, refId: 'A' },
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: '.*',
  current: { text: 'All', value: '$__all' },
});

const toTarget = ({ expr, legend }: Query, index: number) => ({
  refId: String.fromCharCode('A'.charCodeAt(0) + index),
  datasource: DATASOURCE,
  editorMode: 'code',
  expr,
  legendFormat: legend,
  range: true,
});

const optionsOf = ({ kind }: Panel) =>
  kind === 'figure'
    ? {
        colorMode: 'value',
        graphMode: 'area',
        textMode: 'auto',
        reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      }
    : {
        legend: { displayMode: 'table', placement: 'bottom', showLegend: true, calcs: ['lastNotNull', 'max'] },
        tooltip: { mode: 'multi', sort: 'desc' },
      };

const drawingOf = ({ kind, thresholds = [] }: Panel) => ({
  drawStyle: 'line',
  lineWidth: 1,
  fillOpacity: kind === 'stacked' ? 30 : 5,
  showPoints: 'never',
  stacking: { mode: kind === 'stacked' ? 'normal' : 'none', group: 'A' },
  thresholdsStyle: { mode: thresholds.length > 0 ? 'dashed' : 'off' },
});

type Position = { readonly x: number; readonly y: number; readonly w: number; readonly h: number };

const toPanel = (panel: Panel, id: number, gridPos: Position) => ({
  id,
  type: panel.kind === 'figure' ? 'stat' : 'timeseries',
  title: panel.title,
  description: panel.description,
  gridPos,
  datasource: DATASOURCE,
  targets: panel.queries.map(toTarget),
  fieldConfig: {
    defaults: {
      unit: panel.unit,
      ...(panel.min !== undefined && { min: panel.min }),
      ...(panel.max !== undefined && { max: panel.max }),
      ...(panel.noValue !== undefined && { noValue: panel.noValue }),
      color: { mode: panel.kind === 'figure' ? 'thresholds' : 'palette-classic' },
      thresholds: {
        mode: 'absolute',
        steps: [
          { color: panel.base ?? 'green', value: null },
          ...(panel.thresholds ?? []).map(([value, color]) => ({ color, value })),
        ],
      },
      ...(panel.kind !== 'figure' && { custom: drawingOf(panel) }),
    },
    overrides: [],
  },
  options: optionsOf(panel),
});

/** Places the panels of each row side by side, under its title. */
const toPanels = ({ rows }: Dashboard) => {
  const placed: object[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    placed.push({
      id: placed.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
      panels: [],
    });
    const w = Math.floor(COLUMNS / panels.length);
    const h = panels.every(({ kind }) => kind === 'figure') ? FIGURE_HEIGHT : PANEL_HEIGHT;
    for (const [index, panel] of panels.entries()) {
      placed.push(toPanel(panel, placed.length + 1, { x: index * w, y: y + 1, w, h }));
    }
    y += 1 + h;
  }
  return placed;
};

/** Returns a dashboard as Grafana reads it from a file. */
export const toGrafana = (dashboard: Dashboard): object => ({
  uid: dashboard.uid,
  title: dashboard.title,
  description: dashboard.description,
  tags: ['tributary'],
  schemaVersion: 39,
  version: 1,
  editable: false,
  refresh: '30s',
  time: { from: 'now-1h', to: 'now' },
  timezone: 'browser',
  graphTooltip: 1,
  links: [{ type: 'dashboards', title: 'Tributary', tags: ['tributary'], includeVars: true, keepTime: true }],
  templating: {
    list: [
      { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
      ...[INSTANCE, ...(dashboard.variables ?? [])].map(toVariable),
    ],
  },
  annotations: { list: [] },
  panels: toPanels(dashboard),
});
