/** The icon of nbops, in the colours of the theme. */
import { LabIcon } from '@jupyterlab/ui-components';

import logo from '../style/nbops.svg';

export const nbopsIcon = new LabIcon({ name: 'nbops:logo', svgstr: logo });
