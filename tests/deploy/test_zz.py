import sys
def test_x(model, person_model, guide_model, dataset):
    from thermalctl.deploy.real_clips import RealClips
    for m in (model, person_model, guide_model):
        c=list(RealClips(m,dataset,"val",input_kind="raw",frame_size=None,num_clips=6))
        print([x.num_incomplete for x in c]); print([x.test_scores.max().round(3) for x in c], [x.test_scores.argmax() for x in c], m.clip_spec)
    assert 0
