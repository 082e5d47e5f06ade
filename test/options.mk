# options.mk
#     Options of the laboratory's targets, named in OPTIONS, are what make's command line
#     says.  A variable of the same name in the environment is none of them: FROM, TEST and
#     JOBS are words that others use, too.

$(foreach option,$(OPTIONS),$(if $(filter environment,$(firstword $(origin $(option)))),$(eval undefine $(option))))

# what is given, as arguments of a program: $(call arguments,SEEDS TEST) -> seeds=200 test=backup
lower = $(subst A,a,$(subst B,b,$(subst C,c,$(subst D,d,$(subst E,e,$(subst F,f,$(subst G,g,$(subst H,h,$(subst I,i,$(subst \
	J,j,$(subst K,k,$(subst L,l,$(subst M,m,$(subst N,n,$(subst O,o,$(subst P,p,$(subst Q,q,$(subst R,r,$(subst \
	S,s,$(subst T,t,$(subst U,u,$(subst V,v,$(subst W,w,$(subst X,x,$(subst Y,y,$(subst Z,z,$(1)))))))))))))))))))))))))))
quote = '$(subst ','\'',$(1))'
arguments = $(foreach option,$(1),$(if $(filter-out undefined,$(origin $(option))),$(call quote,$(call lower,$(option))=$($(option)))))

# Stops a target that is given an option which it would not heed: $(call takes,SEEDS TEST)
takes = $(foreach option,$(filter-out $(1),$(OPTIONS)),$(if $(filter command,$(firstword $(origin $(option)))),$(error \
	"make $@" takes no $(option); it takes $(if $(1),$(1),no options))))
