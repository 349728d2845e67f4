import { start } from '../../kit/mount';
import Kiosk from './Kiosk.svelte';

start(Kiosk, 'resident');
