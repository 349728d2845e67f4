import pytest
from tests.stories.test_axe import *
pytestmark = [pytest.mark.anyio]
async def test_detect(stage, window, axe):
    w = await window("officer")
    await w.go("/")
    await w.apart("""(() => { const s=document.createElement('script'); s.textContent='window.x=1'; document.head.append(s);
      const i=document.createElement('img'); i.src='http://127.0.0.1:1/x.png'; document.body.append(i);
      const b=document.createElement('button'); b.style.color='#888'; b.style.background='#999'; b.textContent='x'; document.querySelector('main').append(b);
      const wide=document.createElement('button'); wide.textContent='wide'; wide.style.marginLeft='2000px'; document.querySelector('main').append(wide); return 1 })()""")
    try:
        await w.page.evaluate("document.body.innerHTML = '<b>x</b>'")
    except Exception as e: print('tt', str(e)[:200])
    await w.page.wait_for_timeout(500)
    found = await w.apart(f"{axe};{RUN}")
    print([told(r)[:200] for r in found['violations']])
    print(await w.apart(OVERFLOW))
    print('STOPPED', w.stopped)
    print(stage.reports())
