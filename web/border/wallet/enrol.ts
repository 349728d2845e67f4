import { start } from '../../kit/mount';
import Enrol from './Enrol.svelte';

start(Enrol, 'resident');
